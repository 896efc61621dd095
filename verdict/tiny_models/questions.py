"""What the tiny model has read: questions about shapes, and the words of the embedded recipes.

Fine-tuning leaves the embeddings as they are, so a word that pre-training never saw could not be
said afterwards. Of a recipe the model has read the question and the possible answers, each as
often and whatever the image shows: it knows the words and nothing about the task.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """A question, as the model reads it in pre-training, and everything that may be answered."""

    prompt: str
    answers: tuple[str, ...]
    system: str | None = None


#: Of the embedded recipes; the model reads them without any relation between image and answer.
_MELANOMA = Question(
    system=(
        "You are a dermatology assistant that helps identify potential melanoma from skin lesion "
        "images."
    ),
    prompt=(
        "This is a skin lesion image. Does this appear to be malignant melanoma? Please explain "
        "your reasoning and conclude with either 'Yes, this appears to be malignant melanoma.' or "
        "'No, this does not appear to be malignant melanoma.'"
    ),
    answers=(
        "No, this does not appear to be malignant melanoma.",
        "Yes, this appears to be malignant melanoma.",
    ),
)

_BREAKHIS = Question(
    "Analyze this image and classify (0-7 only):\n"
    "0: benign_adenosis\n"
    "1: benign_fibroadenoma\n"
    "2: benign_phyllodes_tumor\n"
    "3: benign_tubular_adenoma\n"
    "4: malignant_ductal_carcinoma\n"
    "5: malignant_lobular_carcinoma\n"
    "6: malignant_mucinous_carcinoma\n"
    "7: malignant_papillary_carcinoma",
    tuple("01234567"),
)

_BREAKHIS_BINARY = Question(
    "Analyze this image and classify (0-1 only):\n0: benign\n1: malignant", tuple("01")
)

_MEDPIX = (
    Question("What imaging modality is shown in this image?", ("CT", "MRI", "X-ray", "Ultrasound")),
    Question("What is the imaging plane?", ("Axial", "Coronal", "Sagittal")),
    Question("Which body region does this image show?", ("Head", "Chest", "Abdomen", "Pelvis")),
    Question("Is a mass visible?", ("Yes", "No")),
    Question("On which side is the mass?", ("On the left side", "On the right side")),
)

RECIPE_QUESTIONS: tuple[Question, ...] = (_MELANOMA, _BREAKHIS, _BREAKHIS_BINARY, *_MEDPIX)

#: Of the recipes that compare two records; ``{text}`` is where they stand.
ENTITY_RESOLUTION = Question(
    "You are a medical record matching expert. Compare these two patient medical records and "
    "determine if they belong to the same patient based only on their clinical history.\n\n"
    "{text}\n\n"
    "Are these the same patient? Answer only 'True' or 'False'.",
    ("True", "False"),
)

#: What is asked about a shape, by attribute; the attribute's value is the answer's index.
SHAPE_QUESTIONS: dict[str, Question] = {
    "shape": Question(
        "What shape is it?",
        ("It is a circle.", "It is a square.", "It is a triangle.", "It is a star."),
    ),
    "colour": Question(
        "What colour is the shape?",
        tuple(
            f"The shape is {colour}."
            for colour in ("red", "green", "blue", "yellow", "brown", "black")
        ),
    ),
    "size": Question(
        "How large is the shape?",
        tuple(f"The shape is {size}." for size in ("small", "medium", "large")),
    ),
    "border": Question(
        "Is the border smooth or ragged?",
        ("The border is smooth.", "The border is ragged."),
    ),
    "symmetry": Question(
        "Is it symmetric?",
        ("Yes, it is symmetric.", "No, it is not symmetric."),
    ),
    "colours": Question(
        "How many colours are there?",
        ("There is one colour.", *(f"There are {n} colours." for n in ("two", "three", "four"))),
    ),
}


def corpus() -> list[str]:
    """Return every text that the tokenizer is trained on."""
    texts = ["user\n", "model\n", "\n\n"]
    for question in (*SHAPE_QUESTIONS.values(), *RECIPE_QUESTIONS):
        texts += [question.prompt, *question.answers]
        texts += [question.system] if question.system else []
    return texts
