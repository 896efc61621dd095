"""What the tiny model has read: questions about shapes, and the words of the embedded recipes.

Fine-tuning leaves the embeddings as they are, so a word that pre-training never saw could not be
said afterwards. Of a recipe the model has read the question and the possible answers, each as
often and whatever the image shows: it knows the words and nothing about the task.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """A question about an image, and everything that may be answered."""

    prompt: str
    answers: tuple[str, ...]
    system: str | None = None


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

#: The questions of the embedded recipes, read without any relation between image and answer.
RECIPE_QUESTIONS: tuple[Question, ...] = (
    Question(
        system=(
            "You are a dermatology assistant that helps identify potential melanoma from skin "
            "lesion images."
        ),
        prompt=(
            "This is a skin lesion image. Does this appear to be malignant melanoma? Please "
            "explain your reasoning and conclude with either 'Yes, this appears to be malignant "
            "melanoma.' or 'No, this does not appear to be malignant melanoma.'"
        ),
        answers=(
            "No, this does not appear to be malignant melanoma.",
            "Yes, this appears to be malignant melanoma.",
        ),
    ),
)


def corpus() -> list[str]:
    """Return every text that the tokenizer is trained on."""
    texts = ["user\n", "model\n", "\n\n"]
    for question in (*SHAPE_QUESTIONS.values(), *RECIPE_QUESTIONS):
        texts += [question.prompt, *question.answers]
        texts += [question.system] if question.system else []
    return texts
