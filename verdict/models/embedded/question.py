"""A question, as the tiny model reads it in pre-training."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """A question about an image, and everything that may be answered."""

    prompt: str
    answers: tuple[str, ...]
    system: str | None = None
