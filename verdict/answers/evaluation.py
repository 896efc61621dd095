"""Ask a model about every record, and keep each finished batch: a killed evaluation goes on."""

import importlib.metadata
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from verdict.answers.batches import PlannedBatch, over_limit
from verdict.answers.evaluator import BatchResult, Evaluator, Prediction, empty_thought_ids
from verdict.conversations import Conversation
from verdict.core.errors import VerdictError
from verdict.models.chat import answer_of, candidate_ids, check_control_tokens, count_images
from verdict.parse import (
    EMPTY,
    THOUGHT_MARKS,
    UNFINISHED,
    Parsed,
    parse_answer,
    separate,
)
from verdict.pipeline.inputs import digest_of
from verdict.predictions import Predictions, make_predictions
from verdict.runtime.progress import progress
from verdict.runtime.resume import UnsealedError, digests_of_sources, folder_of, seal, unseal

#: The packages that decide what a model answers, and how images reach it.
_PACKAGES = ("torch", "transformers", "peft", "tokenizers", "numpy", "pillow", "jinja2")
#: The folders of our own code that do.
_SOURCES = ("answers", "conversations.py", "models", "records")


def folder_for(paths: Sequence[Path], settings: Mapping[str, Any]) -> Path:
    """Return the folder that keeps the batches of the evaluation that these decide.

    Args:
        paths: files and folders of the model, the adapter, the conversations and the records.
        settings: all else that decides the answers, as JSON.
    """
    decisive = {
        "files": {path.as_posix(): digest_of(path) for path in paths},
        "settings": settings,
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "sources": digests_of_sources(*_SOURCES),
    }
    return folder_of("evaluate", decisive)


class FinishedBatches:
    """The finished batches of one split, in a folder of their own."""

    def __init__(self, folder: Path):
        self._folder = folder

    def read(self, batches: Sequence[Sequence[str]]) -> list[BatchResult]:
        """Return what came of the first batches up to one that is missing or cannot be used.

        Args:
            batches: the ids of the records of each batch, as they are planned now.
        """
        results = []
        for number, ids in enumerate(batches):
            try:
                kept = unseal(self._path(number))
            except UnsealedError:
                break
            if kept["ids"] != list(ids):
                break
            predictions = [Prediction(*one) for one in kept["predictions"]]
            results.append(BatchResult(predictions, kept["ways"]))
        return results

    def write(self, number: int, ids: Sequence[str], result: BatchResult) -> None:
        """Keep what came of a batch."""
        seal(self._path(number), {"ids": list(ids), **result._asdict()})

    def _path(self, number: int) -> Path:
        return self._folder / f"batch-{number:06d}.json"


def predict(
    name: str,
    evaluator: Evaluator,
    conversations: Sequence[Conversation],
    *,
    finished: FinishedBatches | None = None,
    on_rate: Callable[[float], None] = lambda rate: None,
) -> Predictions:
    """Return one prediction a conversation, under the model's ``name``.

    A classifier writes nothing: ``generated`` is empty, and ``parsed`` its likeliest label. Where
    the task is free text, there is nothing to score or parse: the model only writes.

    The batch size changes no answer. It moves log-probabilities in their last digits (by less than
    0.0001 in float32), since a matrix product adds up in another order for another shape; two runs
    with one batch size are equal to the bit.

    Args:
        finished: where finished batches are kept, and found again by a run that goes on; None
            keeps nothing.
        on_rate: called with the records a second, if any was asked about in this run.

    Raises:
        VerdictError: a classifier whose labels are not those of the answers, or a record that
            holds a control token of this model, or is longer than its context.
    """
    loaded, answers = evaluator.loaded, evaluator.answers
    plan = _checked_plan(name, evaluator, conversations)
    predictions = _ask(name, evaluator, plan, finished, on_rate)
    order = [row for planned in plan for row in planned.conversations]
    scored = loaded.labels is None and answers.labels
    return make_predictions(
        name,
        answers.labels,
        answers.positive if len(answers.labels) == 2 else None,
        [_row(*pair, evaluator) for pair in zip(order, predictions, strict=True)],
        evaluator.options.length_normalization if scored else None,
    )


def _checked_plan(
    name: str, evaluator: Evaluator, conversations: Sequence[Conversation]
) -> list[PlannedBatch]:
    """Return the batches, after a look for what the model could not be asked about.

    Raises:
        VerdictError: as ``predict``.
    """
    loaded, answers = evaluator.loaded, evaluator.answers
    if loaded.labels is not None and set(loaded.labels) != set(answers.labels):
        raise VerdictError(
            f"{name} is a classifier for {', '.join(loaded.labels)}, but format.answers has "
            f"{', '.join(answers.labels) or 'no labels'}; run `dvc repro train`"
        )
    check_control_tokens([*evaluator.examples, *conversations], loaded.processor.tokenizer)
    options = evaluator.options
    if options.thinking and empty_thought_ids(loaded.processor.tokenizer) is None:
        raise VerdictError(
            f"evaluate.thinking is {options.thinking:,}, but {name} has no marks of a thought that "
            f"are known ({', '.join(begin for begin, _ in THOUGHT_MARKS)}); set it to 0"
        )
    plan = evaluator.plan(conversations)
    if over := too_long(evaluator, plan):
        longest = max(over, key=over.__getitem__)
        images = next(
            count_images(row.prompt)
            for planned in plan
            for row in planned.conversations
            if row.id == longest
        )
        raise VerdictError(
            f"record {longest} has {over[longest]} tokens with its longest answer, but the model "
            f"reads at most {loaded.limit} (max_position_embeddings); so have {len(over):,} "
            "records. Shorten format.system, format.prompt, format.answers, or the texts of the "
            "records"
            + (", or lower evaluate.thinking" if options.thinking else "")
            + (
                f", or lower evaluate.models.{name}.examples.count, which is {len(shown):,}"
                if (shown := evaluator.examples)
                else ""
            )
            + (f", or give fewer images: it has {images}" if images > 1 else "")
        )
    return plan


def _ask(
    name: str,
    evaluator: Evaluator,
    plan: Sequence[PlannedBatch],
    finished: FinishedBatches | None,
    on_rate: Callable[[float], None],
) -> list[Prediction]:
    """Return what came of each record, in the order of the plan; go on after finished batches."""
    ids = [[row.id for row in planned.conversations] for planned in plan]
    results = dict(enumerate(finished.read(ids))) if finished else {}
    begin = len(results)
    if begin:
        print(f"{name}: resuming: {begin} of {len(plan)} batches were done", flush=True)
    if begin < len(plan):
        ways = results[begin - 1].ways if begin else {}
        with progress(f"evaluate {name}", unit="records") as bar:
            bar.begin(sum(map(len, ids)), sum(map(len, ids[:begin])))
            for number, result in evaluator.ask(plan, begin, ways):
                if finished:
                    finished.write(number, ids[number], result)
                results[number] = result
                bar.advance(len(result.predictions))
            on_rate(bar.rate)
    return [one for number in range(len(plan)) for one in results[number].predictions]


def too_long(evaluator: Evaluator, plan: Sequence[PlannedBatch]) -> dict[str, int]:
    """Return the tokens of each record that, with its longest answer, is longer than the context.

    Its images are expanded.

    Raises:
        VerdictError: as ``over_limit``.
    """
    loaded, answers = evaluator.loaded, evaluator.answers
    if not plan:
        return {}
    longest = 0  # no answer is scored
    if loaded.labels is None and answers.labels:
        prompt = plan[0].conversations[0].prompt
        longest = max(map(len, candidate_ids(loaded.processor, prompt, answers)))
    if evaluator.options.thinking:
        longest = max(longest, evaluator.options.longest_text)
    limit = math.inf if loaded.limit is None else loaded.limit
    return over_limit(loaded.processor, plan, evaluator.images, limit, longest)


def _row(
    conversation: Conversation, prediction: Prediction, evaluator: Evaluator
) -> dict[str, Any]:
    scores, text = prediction
    answers, written = evaluator.answers, separate(text)
    if evaluator.loaded.labels is not None:
        parsed = Parsed(answers.labels[scores.index(max(scores))], None)
    elif not written.finished:
        parsed = Parsed(None, UNFINISHED)
    elif answers.labels:
        parsed = parse_answer(written.answer, answers)
    else:
        parsed = Parsed(None, None if written.answer else EMPTY)
    return {
        "id": conversation.id,
        "group": conversation.group,
        "other_group": conversation.other_group,
        "label": conversation.label if answers.labels else None,
        "answer": answer_of(conversation),
        "generated": written.answer,
        "thought": written.thought,
        "parsed": parsed.label,
        "invalid_reason": parsed.reason,
        "log_probabilities": scores,
        "attributes": conversation.attributes,
        "prompt_sha256": conversation.prompt_sha256,
    }
