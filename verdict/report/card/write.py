"""The model card, in the hub's format: the numbers of the comparison, and where they come from.

The format is the hub's (https://huggingface.co/docs/hub/model-cards): a YAML header with a
``model-index``, then Markdown.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from verdict.core.errors import VerdictError
from verdict.core.files import replacing
from verdict.report.names import (
    AT_EDGES,
    DISCLAIMER,
    SYNTHETIC,
    TABLE_METRICS,
    UNDEFINED,
    metric_title,
    whole_groups,
)
from verdict.statistics.cautions import crossing_warning
from verdict.statistics.formats import (
    MINUS,
    format_difference,
    format_number,
    format_p,
    format_percent,
)
from verdict.statistics.kinds import KINDS, METRIC_TITLES

TEMPLATE = Path(__file__).with_name("card.md.j2")

#: What the hub calls the tasks (https://huggingface.co/tasks).
_HUB_TASKS = {
    ("generate", True): "image-text-to-text",
    ("generate", False): "text-generation",
    ("classify", True): "image-classification",
    ("classify", False): "text-classification",
}


def write_card(
    path: Path, metrics: Path, adapter: Path, *, task: str, limits: Sequence[str]
) -> None:
    """Write the card of the fine-tuned model.

    Args:
        path: the Markdown file to write.
        metrics: the folder of the metrics files; the comparison's is ``report/comparison.json``.
        adapter: the folder with ``provenance.json``.
        task: the name of the data set in ``verdict/tasks``.
        limits: what the task says that its data cannot show.

    Raises:
        VerdictError: one of the files is missing or not JSON.
    """
    numbers = _read(metrics / "report" / "comparison.json", "dvc repro compare")
    split = _read(metrics / "split.json", "dvc repro split")
    extract = _read(metrics / "extract.json", "dvc repro extract")
    trained = _read(metrics / "train.json", "dvc repro train")
    origin = _read(adapter / "provenance.json", "dvc repro train")
    card = ModelCard.from_template(
        _header(numbers, origin, task, images=_sees_images(metrics)),
        template_path=str(TEMPLATE),
        title=f"{task}: {origin['base']['name']}, fine-tuned",
        verdict=numbers["verdict"],
        synthetic=SYNTHETIC if numbers["synthetic"] else "",
        warnings=numbers.get("warnings", []),
        disclaimer=DISCLAIMER,
        what=_what(origin, trained),
        settings=_settings(origin["parameters"]),
        task=task,
        noun=numbers["groups_are"],
        overlap=_overlap(split, numbers["groups_are"], images=_sees_images(metrics)),
        records=f"{extract['records']:,}",
        groups=f"{extract['groups']:,}",
        rejected=f"; {extract['rejected']:,} images were rejected" if extract["rejected"] else "",
        splits=_splits(split, numbers["groups_are"]),
        leak=_leak(split, numbers["groups_are"]),
        test_records=f"{numbers['records']:,}",
        test_groups=f"{numbers['groups']:,}",
        confidence=format_percent(numbers["confidence"]),
        resamples=f"{numbers['resamples']:,}",
        drawn=whole_groups(numbers["groups_are"], linked=numbers["linked"]),
        at_edges=AT_EDGES,
        results=_results(numbers),
        difference=_difference(numbers),
        limits=[*_limits(numbers), *limits],
    )
    with replacing(path) as partial:
        # What a template leaves out leaves its blank lines.
        text = re.sub(r"\n{3,}", "\n\n", str(card)).strip()
        partial.write_text(text + "\n", encoding="utf-8", newline="\n")


def _read(path: Path, command: str) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise VerdictError(f"{path} is not here: `{command}` writes it") from None
    except ValueError as error:
        raise VerdictError(f"{path} is not JSON ({error}): `{command}` mends it") from None


def _sees_images(metrics: Path) -> bool:
    """Say whether the pre-flight of the training found image tokens in the rows."""
    preflight = _read(metrics / "preflight.json", "dvc repro train")
    return any(preflight.get("image_tokens", {}).get("image_tokens_a_row", []))


def _header(
    numbers: Mapping[str, Any], origin: Mapping[str, Any], task: str, *, images: bool
) -> ModelCardData:
    base, parameters = origin["base"], origin["parameters"]
    hub_task = _HUB_TASKS[parameters["model"]["task"], images]
    whole = parameters["train"]["method"] == "full"
    known: dict[str, Any] = {} if base["revision"] is None else {"base_model": base["name"]}
    return ModelCardData(
        library_name="transformers" if whole else "peft",
        pipeline_tag=hub_task,
        tags=["medical", "not-for-diagnosis", parameters["train"]["method"], task],
        model_name=f"{task}-{base['name'].rpartition('/')[2]}",
        eval_results=_eval_results(numbers, hub_task, task),
        **known,
    )


def _eval_results(numbers: Mapping[str, Any], hub_task: str, task: str) -> list[EvalResult]:
    """Return every defined metric of the candidate, with its interval as arguments."""
    candidate = numbers["candidate"]
    results = []
    for metric in KINDS[numbers["kind"]].metrics:
        value = numbers[f"{candidate}.{metric}"]
        if value is None or metric not in METRIC_TITLES:
            continue
        results.append(
            EvalResult(
                task_type=hub_task,
                dataset_type=task,
                dataset_name=f"{task} (synthetic)" if numbers["synthetic"] else task,
                dataset_split="test",
                metric_type=metric,
                metric_name=metric_title(metric, numbers["groups_are"]),
                metric_value=value,
                metric_args={
                    "confidence": numbers["confidence"],
                    "low": numbers[f"{candidate}.{metric}_low"],
                    "high": numbers[f"{candidate}.{metric}_high"],
                },
            )
        )
    return results


def _what(origin: Mapping[str, Any], trained: Mapping[str, Any]) -> str:
    base, parameters = origin["base"], origin["parameters"]
    revision = f" at revision `{base['revision']}`" if base["revision"] else ""
    built = " (a tiny model that the project builds itself)" if not base["revision"] else ""
    whole = parameters["train"]["method"] == "full"
    kind = "All weights" if whole else "Adapter weights"
    way = "a classifier's" if parameters["model"]["task"] == "classify" else "a writing model's"
    return (
        f"{kind} of `{base['name']}`{revision}{built}, trained as {way}: "
        f"{trained['trainable_parameters']:,} of its parameters "
        f"({format_percent(round(trained['trainable_share'], 4))}) learned in {trained['steps']:,} "
        f"steps from {trained['rows']:,} records."
    )


def _settings(parameters: Mapping[str, Any]) -> str:
    train, lora = parameters["train"], parameters["lora"]
    rows = [("method", train["method"])]
    if train["method"] == "lora":
        rows += [
            ("4-bit base (QLoRA)", "yes" if parameters["quantization"]["load_in_4bit"] else "no"),
            ("rank, alpha, dropout", f"{lora['r']}, {lora['lora_alpha']}, {lora['lora_dropout']}"),
        ]
    rows += [
        ("learning rate", f"{train['learning_rate']:g} ({train['lr_scheduler_type']})"),
        _extent(train),
        (
            "rows a step",
            str(train["per_device_train_batch_size"] * train["gradient_accumulation_steps"]),
        ),
        ("rare labels", train["class_imbalance"]),
        ("seed", str(train["seed"])),
        ("arithmetic", parameters["model"]["dtype"]),
    ]
    return _table(("setting", "value"), rows, numbers=())


def _extent(train: Mapping[str, Any]) -> tuple[str, str]:
    """Return how long was trained: by ``max_steps``, where it is set, whatever the epochs."""
    if train["max_steps"] is not None:
        return "steps at most", f"{train['max_steps']:,}"
    return "epochs at most", f"{train['num_train_epochs']:g}"


def _splits(split: Mapping[str, Any], noun: str) -> str:
    rows = []
    for name in ("train", "validation", "test"):
        part = split[name]
        labels = ", ".join(
            f"{key.removeprefix('label_')} {value:,}"
            for key, value in part.items()
            if key.startswith("label_")
        )
        rows.append((name, f"{part['records']:,}", f"{part['groups']:,}", labels or UNDEFINED))
    return _table(("split", "records", noun, "labels"), rows, numbers=(1, 2))


def _overlap(split: Mapping[str, Any], noun: str, *, images: bool) -> str:
    """Say what the splits share, as far as it was counted."""
    if "crosses_splits" not in split:
        return ""
    if overlap := crossing_warning(split, noun):
        return f"{overlap}."
    kind = "image" if images else "text"
    return f"The splits share no group ({noun}), no identical {kind} and no listed duplicate."


def _leak(split: Mapping[str, Any], noun: str) -> str:
    leak = split.get("image_level_split_would_leak", {})
    held = leak.get("test_groups_also_in_training")
    if not held:
        return ""
    return (
        f" A split by single records would have put {held:,} of {leak['test_groups']:,} {noun} of "
        "the test split into training as well."
    )


def _results(numbers: Mapping[str, Any]) -> str:
    metrics = TABLE_METRICS[numbers["kind"]]
    names = [*numbers["models"], "majority"]
    titles = [metric_title(metric, numbers["groups_are"]) for metric in metrics]
    rows = []
    for title, metric in zip(titles, metrics, strict=True):
        rows.append((title, *(_cell(numbers, f"{name}.{metric}") for name in names)))
    header = ("metric", *(name for name in numbers["models"]), "majority")
    return _table(header, rows, numbers=range(1, len(header)))


def _cell(numbers: Mapping[str, Any], key: str) -> str:
    value, low, high = (numbers.get(f"{key}{end}") for end in ("", "_low", "_high"))
    if value is None:
        return UNDEFINED
    if low is None or high is None:
        return format_number(value, 3)
    return f"{format_number(value, 3)} ({format_number(low, 3)} to {format_number(high, 3)})"


def _difference(numbers: Mapping[str, Any]) -> str:
    kind = KINDS[numbers["kind"]]
    pair = f"{numbers['candidate']}{MINUS}{numbers['baseline']}"
    key = f"{pair}.{kind.decisive}"
    value, low, high, p = (numbers.get(f"{key}{end}") for end in ("", "_low", "_high", "_p"))
    if value is None or low is None or high is None or p is None:
        return ""
    shown, lowest, highest = (format_difference(number, 3) for number in (value, low, high))
    return (
        f"{numbers['candidate']} minus {numbers['baseline']}, on the same records: "
        f"{METRIC_TITLES[kind.decisive]} {shown} ({lowest} to {highest}), "
        f"p {'' if p < 0.001 else '= '}{format_p(p)}."
    )


def _limits(numbers: Mapping[str, Any]) -> list[str]:
    limits = []
    invalid = numbers.get(f"{numbers['candidate']}.invalid_rate")
    if invalid:
        limits.append(
            f"{100 * invalid:.1f} % of its generated answers name no answer, or several; they count"
            " as wrong."
        )
    if not numbers["replicates"]:
        limits.append("It was trained with one seed; another seed would give other numbers.")
    return limits


def _table(
    header: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] | range
) -> str:
    marks = ["--:" if index in numbers else ":--" for index in range(len(header))]
    return "\n".join(f"| {' | '.join(line)} |" for line in (header, marks, *rows))
