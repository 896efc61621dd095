"""What the tiny model has read: questions about shapes, and the words of the embedded recipes.

Fine-tuning leaves the embeddings as they are, so a word that pre-training never saw could not be
said afterwards. Of a recipe the model has read the question and the possible answers, each as
often and whatever the image shows: it knows the words and nothing about the task.
"""

from verdict.models.embedded.question import Question
from verdict.models.embedded.recipe_questions import RECIPE_QUESTIONS

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
