"""Ask a model again about a sample of the records, and compare with what was published.

Whole batches are drawn, as the evaluation formed them, so that the same processor gives the same
bits: one at least, then as many as the time allows.
"""

import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from verdict.answers.evaluation import predict
from verdict.answers.evaluator import AnswerOptions, Evaluator
from verdict.answers.examples import read_examples
from verdict.answers.inference import load_for_inference
from verdict.conversations import Conversation, read_answers, read_conversations
from verdict.core.files import write_json
from verdict.core.paths import CHAT, PREDICTIONS, RECORDS
from verdict.params import Params
from verdict.predictions import (
    Predictions,
    make_predictions,
    read_predictions,
    write_predictions,
)
from verdict.records.shards import ImageStore
from verdict.reproducibility import device_name, make_deterministic
from verify.remake import FOUND

#: How far log-probabilities of an answer may lie apart, by the arithmetic of the model.
TOLERANCES = {"float32": 0.001, "bfloat16": 0.25}
#: What has to be the same to the letter.
_EXACT = (
    "group", "other_group", "label", "answer", "generated", "parsed", "invalid_reason", "predicted",
    "attributes", "prompt_sha256",
)  # fmt: skip


@dataclass
class SplitSample:
    """The conversations of one split, what was published of them, and what came now.

    Attributes:
        about: what the file says of all its rows.
        published: its rows, by id.
    """

    file: Path
    conversations: list[Conversation]
    about: dict[str, Any]
    published: dict[str, dict[str, Any]]
    rows: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class LoadedModel:
    """A loaded model: how it answers, how it forms batches, and what it computes in."""

    answer: Callable[[Sequence[Conversation]], Predictions]
    batches: Callable[[Sequence[Conversation]], list[list[Conversation]]]
    dtype: str


def ask_again(name: str, seconds: float, out: Path, params: Params, seed: int) -> None:
    """Ask a model again, and write to ``out`` what was found.

    Where all records were asked about, their predictions are written there, too.

    Args:
        seed: of the draw. Whoever made the predictions must not know it: they could leave what it
            draws as it was.
    """
    model, samples = _load(name, params), _read(name, params)
    wrong = [
        f"{sample.file} has other records than the conversations"
        for sample in samples
        if {one.id for one in sample.conversations} != sample.published.keys()
    ]
    nothing = model.answer([])
    wrong += [
        f"{sample.file} says {key} is {sample.about[key]!r}, which is {value!r}"
        for sample in samples
        for key, value in _about(nothing).items()
        if sample.about[key] != value
    ]
    planned = [
        (sample, batch) for sample in samples for batch in model.batches(sample.conversations)
    ]
    largest, started = 0.0, time.monotonic()
    drawn = random.Random(seed).sample(planned, len(planned))
    for done, (sample, batch) in enumerate(drawn, 1):
        for row in model.answer(batch).table.to_pylist():
            apart, problems = compare_rows(sample.published.get(row["id"], {}), row)
            largest = max(largest, apart)
            wrong += [f"{row['id']}: {problem}" for problem in problems]
            sample.rows.append(row)
        spent = time.monotonic() - started
        if spent + spent / done > seconds:
            break
    of = sum(len(sample.conversations) for sample in samples)
    asked = sum(len(sample.rows) for sample in samples)
    if asked == of:
        about = nothing.labels, nothing.positive
        for sample in samples:
            made = make_predictions(name, *about, sample.rows, nothing.length_normalization)
            write_predictions(out / sample.file, made)
    found = {"records": asked, "of": of, "seed": seed, "difference": largest, "wrong": wrong}
    write_json(out / FOUND, found | {"tolerance": TOLERANCES[model.dtype]})


def _read(name: str, params: Params) -> list[SplitSample]:
    files = {"test": Path(f"{name}.parquet"), "validation": Path(f"validation/{name}.parquet")}
    samples = []
    for split, file in files.items():
        asked = split == "test" or params.evaluate.validation
        conversations = read_conversations(CHAT / f"{split}.jsonl") if asked else []
        published = read_predictions(PREDICTIONS / file)
        rows = {row["id"]: row for row in published.table.to_pylist()}
        samples.append(SplitSample(file, conversations, _about(published), rows))
    return samples


def _about(predictions: Predictions) -> dict[str, Any]:
    """Return what predictions say of all their rows."""
    return {
        "model": predictions.model,
        "labels": list(predictions.labels),
        "positive": predictions.positive,
        "length_normalization": predictions.length_normalization,
    }


def _load(name: str, params: Params) -> LoadedModel:
    device = device_name(params.reproducibility)
    make_deterministic(0, strict=params.reproducibility.strict)
    options = params.evaluate
    chosen = options.models[name]
    answers, weights = read_answers(CHAT), (Path(chosen.model), Path(chosen.adapter))
    loaded = load_for_inference(*weights, params.model, device, answers.form)
    examples = read_examples(name, chosen.examples, CHAT, answers.labels)
    asked, images = AnswerOptions.of(options), ImageStore(RECORDS)
    evaluator = Evaluator(loaded, answers, images, asked, device, examples)

    def answer(conversations: Sequence[Conversation]) -> Predictions:
        return predict(name, evaluator, conversations)

    def batches(conversations: Sequence[Conversation]) -> list[list[Conversation]]:
        plan = evaluator.plan(conversations)
        return [planned.conversations for planned in plan]

    return LoadedModel(answer, batches, str(loaded.model.dtype).removeprefix("torch."))


def compare_rows(
    published: Mapping[str, Any], remade: Mapping[str, Any]
) -> tuple[float, list[str]]:
    """Return how far the log-probabilities lie apart at most, and what else is not equal."""
    problems = [
        f"{column} is {published.get(column)!r}, asked again {remade[column]!r}"
        for column in _EXACT
        if published.get(column) != remade[column]
    ]
    before, after = published.get("log_probabilities", []), remade["log_probabilities"]
    if len(before) != len(after):
        return 0.0, [*problems, f"{len(before)} log-probabilities, asked again {len(after)}"]
    apart = [abs(a - b) for a, b in zip(before, after, strict=True)]
    if any(map(math.isnan, apart)):
        return 0.0, [*problems, "a log-probability is no number"]
    return max(apart, default=0.0), problems
