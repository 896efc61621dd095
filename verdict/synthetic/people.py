"""The words of made-up people's records.

The synthetic pairs of the entity-resolution task are written with them, and the tiny model that
compares texts has read each of them, so that one word is one token.
"""

#: First names, each with what the same person is called or written elsewhere.
FIRST_NAMES = {
    "Anna": "Ann",
    "Robert": "Bob",
    "William": "Bill",
    "Richard": "Dick",
    "Margaret": "Peggy",
    "Elisabeth": "Betty",
    "Katherine": "Kate",
    "Thomas": "Tom",
    "James": "Jim",
    "John": "Jack",
    "Edward": "Ted",
    "Henry": "Harry",
    "Charles": "Chuck",
    "Martha": "Patty",
    "Maria": "Mary",
    "Susanna": "Sue",
    "Alexander": "Alex",
    "Victoria": "Vicky",
    "Samuel": "Sam",
    "Daniel": "Dan",
    "Helena": "Lena",
    "Johanna": "Hanna",
    "Michael": "Mike",
    "Joseph": "Joe",
}

#: Surnames, each with a spelling that is often written instead.
SURNAMES = {
    "Meyer": "Meier",
    "Smith": "Smyth",
    "Brown": "Browne",
    "Clark": "Clarke",
    "Allan": "Allen",
    "Philips": "Phillips",
    "Stuart": "Stewart",
    "Hoffman": "Hofman",
    "Schmidt": "Schmitt",
    "Novak": "Nowak",
    "Jensen": "Jansen",
    "Larsen": "Larson",
    "Weber": "Webber",
    "Wagner": "Wagener",
    "Moore": "More",
    "Reid": "Reed",
    "Gray": "Grey",
    "Lewis": "Louis",
    "Perez": "Peres",
    "Silva": "Sylva",
    "Rossi": "Rosi",
    "Becker": "Bekker",
    "Marks": "Marx",
    "Taylor": "Tailor",
    "Lindner": "Lintner",
    "Vogel": "Fogel",
    "Keller": "Kellner",
    "Carter": "Karter",
    "Nielsen": "Nilsen",
    "Fischer": "Fisher",
}

TOWNS = (
    *("Linden", "Ashford", "Milton", "Norwood", "Sutton", "Weston", "Harlow", "Kirkby"),
    *("Oakham", "Preston", "Redhill", "Selby", "Stafford", "Thornton", "Wells", "Yarm"),
    *("Bolton", "Derby", "Epsom", "Frome"),
)

STREETS = (
    *("Mill", "Church", "Station", "Park", "Bridge", "Castle", "Garden", "King", "Lake"),
    *("Market", "North", "Orchard", "Queen", "River", "School", "Spring", "Tower", "Valley"),
    *("Victory", "Willow"),
)

#: Kinds of street, each with its abbreviation.
STREET_KINDS = {"Street": "St", "Road": "Rd", "Lane": "Ln", "Avenue": "Ave", "Square": "Sq"}

BIRTH_YEARS = tuple(str(year) for year in range(1931, 2003))

CONDITIONS = (
    *("asthma", "anaemia", "arthritis", "cataract", "diabetes", "eczema", "epilepsy", "fracture"),
    *("gastritis", "gout", "hypertension", "migraine", "obesity", "pneumonia", "psoriasis"),
    *("sinusitis", "stroke", "tinnitus"),
)

ALLERGIES = ("penicillin", "aspirin", "latex", "pollen", "peanuts", "iodine", "shellfish", "none")

#: The fields of a record, in their order, each on its line.
FIELDS = ("name", "born", "town", "street", "condition", "allergy")


def words(field: str) -> tuple[tuple[str, ...], ...]:
    """Return what may stand in a field, place by place, in every spelling."""
    return {
        "name": (_spellings(FIRST_NAMES), _spellings(SURNAMES)),
        "born": (BIRTH_YEARS,),
        "town": (TOWNS,),
        "street": (STREETS, _spellings(STREET_KINDS)),
        "condition": (CONDITIONS,),
        "allergy": (ALLERGIES,),
    }[field]


def as_text(fields: dict[str, str]) -> str:
    """Return a record as text, a line a field."""
    return "\n".join(f"{name}: {value}" for name, value in fields.items())


def _spellings(words: dict[str, str]) -> tuple[str, ...]:
    return (*words, *words.values())
