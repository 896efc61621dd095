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

from verdict.comparison.cautions import crossing_warning
from verdict.comparison.file import read_comparison
from verdict.comparison.model import Comparison
from verdict.core.errors import VerdictError
from verdict.core.files import replacing
from verdict.params.data import EMBEDDED
from verdict.report.card_results import (
    difference_sentence,
    limits_of,
    outside_tables,
    results_table,
)
from verdict.report.terms import Used, base_terms
from verdict.statistics.formats import format_percent
from verdict.summary.wording import (
    AT_EDGES,
    DISCLAIMER,
    NUMBERS,
    PLAIN_FORM,
    SYNTHETIC,
    UNDEFINED,
    describe_weights,
    markdown_table,
    metric_title,
    trained_note,
    whole_groups,
)

TEMPLATE = Path(__file__).with_name("card.md.j2")

#: What the hub calls the tasks (https://huggingface.co/tasks).
_HUB_TASKS = {
    ("generate", True): "image-text-to-text",
    ("generate", False): "text-generation",
    ("classify", True): "image-classification",
    ("classify", False): "text-classification",
}


def write_card(
    path: Path,
    metrics: Path,
    adapter: Path,
    *,
    task: str,
    limits: Sequence[str],
    used: Sequence[Used],
) -> None:
    """Write the card of the fine-tuned model.

    Args:
        path: the Markdown file to write.
        metrics: the folder of the metrics files; the comparison's is ``report/comparison.json``.
        adapter: the folder with ``provenance.json``.
        task: the name of the data set in ``verdict/tasks``.
        limits: what the task says that its data cannot show.
        used: the data set and the models, with what their use is bound to.

    Raises:
        VerdictError: one of the files is missing or not JSON.
    """
    comparison = read_comparison(metrics / "report" / NUMBERS)
    noun = comparison.noun
    split = _read(metrics / "split.json", "dvc repro split")
    extract = _read(metrics / "extract.json", "dvc repro extract")
    trained = _read(metrics / "train.json", "dvc repro train")
    origin = _read(adapter / "provenance.json", "dvc repro train")
    preflight = _read(metrics / "preflight.json", "dvc repro train")
    images = sees_images(preflight)
    card = ModelCard.from_template(
        _header(comparison, origin, task, used, images=images),
        template_path=str(TEMPLATE),
        title=f"{task}: {origin['base']['name']}, fine-tuned",
        verdict=comparison.verdict.sentence,
        remarks=comparison.verdict.remarks,
        synthetic=SYNTHETIC if comparison.synthetic else "",
        warnings=comparison.warnings,
        disclaimer=DISCLAIMER,
        what=_what(origin, trained),
        settings=_settings(origin["parameters"], preflight),
        task=task,
        noun=noun,
        overlap=_overlap(split, noun, images=images),
        records=f"{extract['records']:,}",
        groups=f"{extract['groups']:,}",
        rejected=f"; {extract['rejected']:,} images were rejected" if extract["rejected"] else "",
        splits=_splits(split, noun),
        leak=_leak(split, noun),
        test_records=f"{comparison.records:,}",
        test_groups=f"{comparison.groups:,}",
        confidence=format_percent(comparison.confidence),
        resamples=f"{comparison.resamples:,}",
        drawn=whole_groups(noun, linked=comparison.linked),
        at_edges=AT_EDGES,
        results=results_table(comparison),
        baselines=trained_note(comparison),
        difference=difference_sentence(comparison),
        outside=outside_tables(comparison),
        limits=[*limits_of(comparison), *limits],
        used=used,
        made_here=origin["base"]["name"] == EMBEDDED,
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


def sees_images(preflight: Mapping[str, Any]) -> bool:
    """Say whether the pre-flight of the training found image tokens in the rows."""
    return any(preflight.get("image_tokens", {}).get("image_tokens_a_row", []))


def _header(
    comparison: Comparison,
    origin: Mapping[str, Any],
    task: str,
    used: Sequence[Used],
    *,
    images: bool,
) -> ModelCardData:
    base, parameters = origin["base"], origin["parameters"]
    hub_task = _HUB_TASKS[parameters["model"]["task"], images]
    whole = parameters["train"]["method"] == "full"
    known: dict[str, Any] = {} if base["name"] == EMBEDDED else {"base_model": base["name"]}
    known |= _licence(used, base.get("weights", {}).get("license"))
    return ModelCardData(
        library_name="transformers" if whole else "peft",
        pipeline_tag=hub_task,
        tags=["medical", "not-for-diagnosis", parameters["train"]["method"], task],
        model_name=f"{task}-{base['name'].rpartition('/')[2]}",
        eval_results=_eval_results(comparison, hub_task, task),
        **known,
    )


def _licence(used: Sequence[Used], of_file: str | None) -> dict[str, Any]:
    """Return what the hub shows as the licence of the weights: that of the base.

    Args:
        of_file: what the file that the base's weights came in says of itself.
    """
    known: dict[str, Any] = {"license": of_file} if of_file else {}
    if terms := base_terms(used):
        known["license"] = terms.licence
        if terms.licence == "other":
            name = re.sub(r"[^a-z0-9.]+", "-", terms.name.lower())
            known |= {"license_name": name, "license_link": terms.address}
    return known


def _eval_results(comparison: Comparison, hub_task: str, task: str) -> list[EvalResult]:
    """Return every defined metric of the candidate, with its interval as arguments."""
    return [
        EvalResult(
            task_type=hub_task,
            dataset_type=task,
            dataset_name=f"{task} (synthetic)" if comparison.synthetic else task,
            dataset_split="test",
            metric_type=metric,
            metric_name=metric_title(metric, comparison.noun),
            metric_value=estimate.value,
            metric_args={
                "confidence": comparison.confidence,
                "low": estimate.low,
                "high": estimate.high,
            },
        )
        for metric, estimate in comparison.models[comparison.candidate].items()
        if estimate.value is not None
    ]


def _what(origin: Mapping[str, Any], trained: Mapping[str, Any]) -> str:
    base, parameters = origin["base"], origin["parameters"]
    revision = f" at revision `{base['revision']}`" if base["revision"] else ""
    embedded = base["name"] == "embedded"
    built = " (a tiny model that the project builds itself)" if embedded else ""
    if read := describe_weights(base):
        built = f" ({read})"
    whole = parameters["train"]["method"] == "full"
    kind = "All weights" if whole else "Adapter weights"
    way = "a classifier's" if parameters["model"]["task"] == "classify" else "a writing model's"
    return (
        f"{kind} of `{base['name']}`{revision}{built}, trained as {way}: "
        f"{trained['trainable_parameters']:,} of its parameters "
        f"({format_percent(round(trained['trainable_share'], 4))}) learned in {trained['steps']:,} "
        f"steps from {trained['rows']:,} records."
    )


def _settings(parameters: Mapping[str, Any], preflight: Mapping[str, Any]) -> str:
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
    if "plain_form" in preflight:
        rows.append(("conversation", PLAIN_FORM))
    return markdown_table(("setting", "value"), rows, texts=(0, 1))


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
    return markdown_table(("split", "records", noun, "labels"), rows, texts=(0, 3))


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
