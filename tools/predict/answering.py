"""Ask a model: from images and texts over records and conversations to answers, as stages do.

Import this only after ``verdict.reproducibility.pin_cpu``.
"""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any

from scipy.special import softmax

from tools.predict.questions import Question, read_image
from verdict.answers.evaluation import predict, too_long
from verdict.answers.evaluator import AnswerOptions, Evaluator
from verdict.answers.inference import MODEL_CONFIG, Loaded, load_for_inference, without_weights
from verdict.answers.workers import PoolEvaluator, open_workers
from verdict.conversations import Answers, converse
from verdict.core.errors import VerdictError
from verdict.core.paths import ADAPTER, BASE
from verdict.core.project import CHECKPOINTS, project_root
from verdict.engine import Pool
from verdict.extraction.images import convert
from verdict.models.chat import control_token
from verdict.models.provenance import read_provenance
from verdict.params import Params
from verdict.params.data import Extract, Format
from verdict.records.shards import ImageStore, read_records, write_shard
from verdict.reproducibility import device_of_workers, make_deterministic

#: Questions whose images, as records store them, lie on disk at a time.
PART = 1024
#: What a question's record has for an answer: it needs one, and nobody has given it or reads it.
_UNKNOWN = "unknown"


@dataclass(frozen=True)
class Weights:
    """What is asked: a name for it, a model's folder, and what is laid over it.

    ``adapter`` is as in ``evaluate.models``: a folder, or the model's own ``config.json``.
    """

    name: str
    model: Path
    adapter: Path


@dataclass(frozen=True)
class Answered:
    """What came of one question.

    Attributes:
        error: why there is no answer; all else is empty then.
        answer: the likeliest label; the words, where the task is free text.
        log_probabilities: of each label's answer, as the predictions of ``evaluate`` hold them.
        words: what the model wrote; a classifier writes nothing.
        label_in_words: the label that the parser reads from the words.
        invalid: why it reads none.
    """

    question: Question
    error: str | None = None
    answer: str = ""
    log_probabilities: dict[str, float] | None = None
    words: str = ""
    label_in_words: str | None = None
    invalid: str | None = None

    @property
    def probabilities(self) -> dict[str, float]:
        """Of each label, among the labels: they sum to 1."""
        scores = self.log_probabilities
        if not scores:
            return {}
        return dict(zip(scores, softmax([*scores.values()]).tolist(), strict=True))


def chosen(params: Params, model: str | None, adapter: Path | None) -> Weights:
    """Return what to ask: a model of the recipe, by default the tuned one, or another adapter.

    Args:
        adapter: a folder with an adapter over the base, or with a whole model, such as
            ``tools.export`` writes.

    Raises:
        VerdictError: there is no such model, it is shown examples, or its origin cannot be read.
    """
    models = params.evaluate.models
    if adapter is not None:
        whole = (adapter / MODEL_CONFIG).is_file() and not (
            adapter / "adapter_config.json"
        ).exists()
        exported = whole and "base" not in read_provenance(adapter)
        return Weights(str(adapter), adapter if exported else BASE, adapter)
    if model is None:
        tuned = [name for name, entry in models.items() if entry.adapter == str(ADAPTER)]
        if not tuned:
            raise VerdictError(
                "params.yaml has no tuned model in evaluate.models; name one with --model: "
                + ", ".join(models)
            )
        model = tuned[0]
    if model not in models:
        raise VerdictError(
            f"params.yaml has no model {model} in evaluate.models; it has {', '.join(models)}"
        )
    if models[model].examples:
        raise VerdictError(
            f"evaluate.models.{model} is shown examples of the training split before each question,"
            " which only the evaluation does; name a model without examples with --model"
        )
    return Weights(model, Path(models[model].model), Path(models[model].adapter))


class Predictor:
    """Asks one model; it is loaded when the first answerable question comes.

    With ``compute.engine: ray`` workers have it, for as long as one call of ``answers`` lasts.

    Args:
        asked: the conversation, where it is not ``params.format``.
    """

    def __init__(self, params: Params, weights: Weights, asked: Format | None = None):
        self._params, self.weights = params, weights
        self.asked = asked or params.format
        self._answers = Answers.of(self.asked)
        self._on_ray = params.compute.engine == "ray"

    @property
    def labels(self) -> list[str]:
        return self._answers.labels

    @cached_property
    def device(self) -> str:
        return device_of_workers(self._params.reproducibility, self._params.compute)

    @cached_property
    def loaded(self) -> Loaded:
        """The model; without weights where workers have it.

        Raises:
            VerdictError: it is not here, damaged, or an adapter for another base; or what it is to
                be asked holds a sign of its own.
        """
        make_deterministic(0, strict=self._params.reproducibility.strict)
        folders = self.weights.model, self.weights.adapter
        if self._on_ray:
            loaded = without_weights(*folders, self.asked.form)
        else:
            options = self._params.model
            loaded = load_for_inference(*folders, options, self.device, self.asked.form)
        if problem := _signs_in(self.asked.prompt, loaded):
            raise VerdictError(f"the prompt {problem}")
        return loaded

    def answers(self, questions: Iterable[Question]) -> Iterator[Answered]:
        """Yield what comes of each question, in their order; ``PART`` of them are held at a time.

        Raises:
            VerdictError: as ``loaded`` and ``open_pool``. An image that cannot be used is an answer
                with an error.
        """
        questions = iter(questions)
        with ExitStack() as opened:
            pool = cache(lambda: self._open_pool(opened))
            while part := list(islice(questions, PART)):
                yield from self._part(part, pool)

    def _open_pool(self, opened: ExitStack) -> Pool | None:
        """Let workers load the model, if they are to have it; they end with ``opened``."""
        if not self._on_ray:
            return None
        folders = self.weights.model, self.weights.adapter
        return opened.enter_context(
            open_workers(*folders, self._answers, self._params, self.device)
        )

    def _part(
        self, questions: Sequence[Question], pool: Callable[[], Pool | None]
    ) -> Iterator[Answered]:
        with tempfile.TemporaryDirectory(prefix="verdict-", dir=self._place()) as folder:
            errors = self._write_records(Path(folder), questions)
            rows = {} if len(errors) == len(questions) else self._ask(Path(folder), pool())
        for index, question in enumerate(questions):
            found = errors[index] if index in errors else rows[_id(index)]
            if isinstance(found, str):
                yield Answered(question, found)
            else:
                yield self._answered(question, found)

    def _place(self) -> Path | None:
        """Return where records may lie: in the project, which all machines of a cluster see."""
        if not self._on_ray:
            return None
        place = project_root() / CHECKPOINTS
        place.mkdir(exist_ok=True)
        return place

    def _write_records(self, folder: Path, questions: Sequence[Question]) -> dict[int, str]:
        """Write the questions as a shard of records; return why some cannot be, by position."""
        errors: dict[int, str] = {}
        label = self.labels[0] if self.labels else None
        several = any(len(question.images) > 1 for question in questions)

        def rows() -> Iterator[dict[str, Any]]:
            with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
                found = pool.map(partial(_images, self._params.extract), questions)
                for index, (images, error) in enumerate(found):
                    text = questions[index].text
                    if error is None and text:
                        error = _signs_in(text, self.loaded)
                    if error is not None:
                        errors[index] = error
                        continue
                    yield {
                        "id": _id(index),
                        "group": _UNKNOWN,
                        "image": images[0] if images else None,
                        "further_images": images[1:],
                        "further_sha256": [_UNKNOWN] * len(images[1:]),
                        "text": text,
                        "label": label,
                        "answer": None if label else _UNKNOWN,
                        "attributes": "{}",
                        "row": index,
                    }

        write_shard(folder / "shard-00000-of-00001.parquet", rows(), several=several)
        return errors

    def _ask(self, records: Path, pool: Pool | None) -> dict[str, dict[str, Any] | str]:
        """Return a row of predictions for each record, by its id, or why there is none."""
        options = AnswerOptions.of(self._params.evaluate)
        if pool is not None:
            evaluator: Evaluator = PoolEvaluator(
                self.loaded, self._answers, [records], options, pool
            )
        else:
            images = ImageStore(records)
            evaluator = Evaluator(self.loaded, self._answers, images, options, self.device)
        conversations = [converse(record, self.asked) for record in read_records(records)]
        plan = evaluator.plan(conversations)
        long = {
            name: f"has {tokens:,} tokens with its longest answer, but the model reads at most "
            f"{self.loaded.limit:,}: ask for less"
            for name, tokens in too_long(evaluator, plan).items()
        }
        if len(long) == len(conversations):
            return {**long}
        found = predict(
            self.weights.name,
            evaluator,
            [conversation for conversation in conversations if conversation.id not in long],
        )
        return {**long, **{row["id"]: row for row in found.table.to_pylist()}}

    def _answered(self, question: Question, row: dict[str, Any]) -> Answered:
        scores = dict(zip(self.labels, row["log_probabilities"], strict=True))
        return Answered(
            question,
            answer=row["predicted"] if scores else row["generated"],
            log_probabilities=scores,
            words=row["generated"],
            label_in_words=row["parsed"],
            invalid=row["invalid_reason"],
        )


def _signs_in(text: str, loaded: Loaded) -> str | None:
    """Say which of its own signs a model would read in a text: an image that is not there, …"""
    found = control_token(loaded.processor.tokenizer).findall(text)
    if not found:
        return None
    return f"holds {max(found, key=len)}, which the model takes for a sign of its own: leave it out"


def _id(index: int) -> str:
    return f"{index:06d}"


def _images(options: Extract, question: Question) -> tuple[list[dict[str, Any]], str | None]:
    """Return the images as a record stores them, if there are any; or why one cannot be used."""
    found: list[dict[str, Any]] = []
    for number, path in enumerate(question.images if question.error is None else (), 1):
        try:
            data = read_image(path)
            data = data if question.as_stored else convert(data, options)
        except ValueError as error:
            return [], f"image {number} {error}" if len(question.images) > 1 else str(error)
        found.append({"bytes": data, "path": None})
    return found, question.error
