"""The adapter as an MLflow model: asked about images, it answers in words.

``mlflow`` runs this file when it saves and when it loads the model; torch is imported only to load.
"""

import json
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.pyfunc import PythonModel, PythonModelContext


class AnsweringModel(PythonModel):
    """Generates one text a row; a classifier gives its likeliest label instead.

    The base model is not part of it: ``mlflow.pyfunc.load_model(uri, model_config={"base":
    "models/base"})`` says where it is. ``device`` (auto, cpu, cuda) and ``max_new_tokens`` can be
    given there too.
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Load base and adapter.

        Raises:
            VerdictError: the base is not where the configuration says.
        """
        import torch

        from verdict.answers.inference import load_for_inference
        from verdict.params.training import ModelOptions

        config = context.model_config
        adapter = Path(context.artifacts["adapter"])
        origin = json.loads((adapter / "provenance.json").read_text(encoding="utf-8"))
        self._device = config["device"]
        if self._device == "auto":
            self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._longest = config["max_new_tokens"]
        self._loaded = load_for_inference(
            Path(config["base"]),
            adapter,
            ModelOptions(**origin["parameters"]["model"]),
            self._device,
        )

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> list[str]:
        """Answer each row of a table.

        Args:
            model_input: a DataFrame with ``image`` (an encoded image's bytes, or its path, or a
                list of several) and ``prompt`` (the question, with marks for several images as in
                ``format.prompt``; or a list of messages as in ``data/chat``).
        """
        from verdict.answers.evaluator import AnswerOptions, Evaluator
        from verdict.conversations import Answers
        from verdict.parse import separate

        images, conversations = _conversations(model_input)
        store: Any = images
        labels = self._loaded.labels or []
        answers = Answers(dict.fromkeys(labels, ""), None)
        options = AnswerOptions(16, self._longest)
        evaluator = Evaluator(self._loaded, answers, store, options, self._device)
        plan = evaluator.plan(conversations)
        texts = [""] * len(conversations)
        for number, result in evaluator.ask(plan, 0, {}):
            for row, (scores, text) in zip(
                plan[number].conversations, result.predictions, strict=True
            ):
                answer = separate(text).answer
                texts[int(row.id)] = labels[scores.index(max(scores))] if scores else answer
        return texts


class _Images(dict[str, list[bytes]]):
    """The images of each row, given as ``ImageStore`` gives them."""

    def all(self, row: str) -> list[bytes]:
        return self[row]


def _conversations(table: pd.DataFrame) -> tuple[_Images, list[Any]]:
    from verdict.conversations import Conversation
    from verdict.core.errors import VerdictError

    missing = {"image", "prompt"} - set(table.columns)
    if missing:
        raise VerdictError(
            f"the input has no column {' and no column '.join(sorted(missing))}; give a DataFrame "
            "with `image` (bytes or a path) and `prompt` (the question, or a list of messages)"
        )
    images = _Images()
    for row, given in enumerate(table["image"]):
        several = [given] if isinstance(given, (bytes, str, Path)) else given
        images[str(row)] = [
            one if isinstance(one, bytes) else Path(one).read_bytes() for one in several
        ]
    rows = [
        Conversation(str(row), "", "", {}, _messages(row, prompt, len(images[str(row)])), [])
        for row, prompt in enumerate(table["prompt"])
    ]
    return images, rows


def _messages(row: int, prompt: Any, images: int) -> list[dict[str, Any]]:
    from verdict.conversations import question_parts

    if not isinstance(prompt, str):
        return list(prompt)
    return [{"role": "user", "content": question_parts(f"row {row}", prompt, images)}]


mlflow.models.set_model(AnsweringModel())
