"""The published archive of BreakHis: its files, its folders, and what a name says."""

import re
from dataclasses import dataclass

#: Kaggle's ZIP of the data set ``ambarish/breakhis`` has images and folds in one file.
FILES = {"archive": "breakhis.zip"}

#: The table of the five published folds, wherever in the ZIP it lies, and its columns.
FOLDS_FILE = "Folds.csv"
FOLDS_COLUMNS = ("mag", "fold", "grp", "filename")

MAGNIFICATIONS = (40, 100, 200, 400)
FOLDS = (1, 2, 3, 4, 5)
BENIGN, MALIGNANT = "benign", "malignant"

#: The subtype, which is also its folder, by its code in an image's name.
SUBTYPES = {
    "A": "adenosis",
    "F": "fibroadenoma",
    "PT": "phyllodes_tumor",
    "TA": "tubular_adenoma",
    "DC": "ductal_carcinoma",
    "LC": "lobular_carcinoma",
    "MC": "mucinous_carcinoma",
    "PC": "papillary_carcinoma",
}
_BENIGN_CODES = ("A", "F", "PT", "TA")

_NAME = re.compile(
    r"SOB_(?P<letter>[BM])_(?P<code>[A-Z]+)-(?P<slide>\d\d-\d+[A-Z]*)"
    r"-(?P<magnification>\d+)-(?P<number>\d{3})"
)


@dataclass(frozen=True)
class ImageName:
    """What an image's name says: ``SOB_M_DC-14-3909-100-014``.

    Attributes:
        code: of the subtype, a key of ``SUBTYPES``.
        slide: year and number, ``14-3909``; the authors take each for one patient.
        magnification: 40, 100, 200 or 400 times.
        number: counts the images of a slide at a magnification, from 1.
    """

    code: str
    slide: str
    magnification: int
    number: int

    def __str__(self) -> str:
        letter = self.malignancy[0].upper()
        return f"SOB_{letter}_{self.code}-{self.slide}-{self.magnification}-{self.number:03d}"

    @property
    def subtype(self) -> str:
        return SUBTYPES[self.code]

    @property
    def malignancy(self) -> str:
        return BENIGN if self.code in _BENIGN_CODES else MALIGNANT

    @property
    def path(self) -> str:
        """The image's path as ``Folds.csv`` has it."""
        folder = f"SOB_{self.malignancy[0].upper()}_{self.code}_{self.slide}"
        return (
            f"BreaKHis_v1/histology_slides/breast/{self.malignancy}/SOB/{self.subtype}/{folder}/"
            f"{self.magnification}X/{self}.png"
        )


def parse_name(name: str) -> ImageName:
    """Return what an image's name (without folder and suffix) says.

    Raises:
        ValueError: it is not of the published form, or contradicts itself.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise ValueError(
            f"{name!r} is no published name; expected one like SOB_M_DC-14-3909-100-014"
        )
    code, magnification = found["code"], int(found["magnification"])
    if code not in SUBTYPES:
        raise ValueError(f"{name} has the subtype {code}; expected one of {', '.join(SUBTYPES)}")
    if magnification not in MAGNIFICATIONS:
        raise ValueError(
            f"{name} has the magnification {magnification}; expected one of "
            + ", ".join(map(str, MAGNIFICATIONS))
        )
    parsed = ImageName(code, found["slide"], magnification, int(found["number"]))
    if str(parsed) != name:
        raise ValueError(
            f"{name} begins with SOB_{found['letter']}, but {code} is {parsed.malignancy}"
        )
    return parsed
