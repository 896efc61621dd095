"""What a reader has to know before trusting the numbers: the warnings beside the verdict."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from verdict.comparison.verdict import MIN_GROUPS, MIN_GROUPS_PER_LABEL, units_of
from verdict.core.errors import VerdictError
from verdict.predictions import Predictions
from verdict.statistics.formats import format_percent, shortened
from verdict.statistics.words import normalised

#: From this share of generated answers on that name no label, or are empty, a model is warned of.
INVALID = 0.1

#: From this many times the letters of the shortest answer on, the longest one is much less likely
#: in itself, as each further token lowers a log-likelihood.
LONGER = 3

#: Below this many times the fewest groups that a verdict needs, it rests on few of them.
ENOUGH = 2


def read_split_counts(path: Path) -> dict[str, Any]:
    """Return what the split stage counted.

    Raises:
        VerdictError: the file is missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise VerdictError(f"{path} is not here: `dvc repro split` writes it") from None
    except ValueError as error:
        raise VerdictError(f"{path} is not JSON ({error}): `dvc repro split` mends it") from None


def crossing_warning(split: Mapping[str, Any], noun: str) -> str | None:
    """Return what the splits share, or None where they share nothing or nobody counted it.

    Args:
        split: the counts of ``metrics/split.json``.
        noun: what groups are called, in the plural.
    """
    counts = split.get("crosses_splits", {})
    told = []
    if groups := counts.get("groups"):
        told.append(
            f"{groups:,} {noun} are in more than one split, {counts['test_groups']:,} of the "
            f"{split['test']['groups']:,} of the test split among them"
        )
    if identical := counts.get("identical"):
        told.append(f"{identical:,} records of the test split are identical to others elsewhere")
    if pairs := counts.get("duplicate_pairs"):
        told.append(f"{pairs:,} known pairs of duplicates are divided")
    if not told:
        return None
    return f"The splits overlap (split.crossing): {'; '.join(told)}. Seen before is answered better"


def cautions(predictions: Sequence[Predictions], noun: str) -> list[str]:
    """Return the warnings that follow from the predictions of the models that are compared.

    Args:
        predictions: of every model, on the same records.
        noun: what groups are called, in the plural.
    """
    found = [*_of_few(predictions[0], noun)]
    for model in predictions:
        found += _of_answers(model)
    if uneven := _of_lengths(predictions):
        found.append(uneven)
    return found


def _of_few(predictions: Predictions, noun: str) -> Iterator[str]:
    counts = {f"{noun} there are": (units_of(predictions), MIN_GROUPS)}
    for code, label in enumerate(predictions.labels):
        own = predictions.actual == code
        if own.any():
            units = units_of(predictions.part(own))
            counts[f"{noun} with {label} there are"] = (units, MIN_GROUPS_PER_LABEL)
    for what, (count, needed) in counts.items():
        if needed <= count < ENOUGH * needed:
            yield f"Of {what} only {count}, so one or two of them can turn the result"


def _of_answers(predictions: Predictions) -> Iterator[str]:
    """Yield what is odd in a model's answers: all the same, or many that cannot be read."""
    size = len(predictions)
    if predictions.free_text:
        answers = [normalised(text) for text in predictions.generated]
        invalid = sum(not text.strip() for text in predictions.generated)
    else:
        answers = [predictions.labels[code] for code in predictions.predicted]
        invalid = int((predictions.parsed < 0).sum())
    asked = len(set(predictions.answers.tolist())) > 1
    if asked and len(set(answers)) == 1 and answers[0]:
        yield f"{predictions.model} gives one answer to everything: '{shortened(answers[0])}'"
    if size and invalid / size >= INVALID:
        share = format_percent(round(invalid / size, 3))
        what = "empty" if predictions.free_text else "no answer that can be read"
        reasons = Counter(predictions.table["invalid_reason"].to_pylist())
        del reasons[None]
        why = "" if predictions.free_text else f", mostly: {reasons.most_common(1)[0][0]}"
        yield f"{share} of what {predictions.model} wrote is {what}{why}"


def _of_lengths(predictions: Sequence[Predictions]) -> str | None:
    """Return a warning where a label may win because its answer is short."""
    names = [p.model for p in predictions if p.length_normalization == "none"]
    if not names:
        return None
    texts = {text.strip() for text in predictions[0].answers.tolist()}
    shortest, longest = min(texts, key=len, default=""), max(texts, key=len, default="")
    if len(longest) < LONGER * max(1, len(shortest)):
        return None
    return (
        f"'{shortened(longest)}' is much longer than '{shortened(shortest)}', and a longer answer "
        "is less likely in itself: set evaluate.length_normalization to tokens, or take answers of "
        "about equal length"
    )
