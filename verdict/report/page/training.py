"""The training: its curves, what it cost and was made of, and how a stranger repeats it.

In numbers that do not change from run to run.
"""

import shlex
from typing import Any

from verdict.core.files import sha256_of
from verdict.core.paths import COMPARISON, PREDICTIONS
from verdict.report.page.charts import Axis, Chart, Line, axis_around
from verdict.report.page.sources import Sources
from verdict.summary.wording import PLAIN_FORM, describe_weights

Fact = tuple[str, str]

#: The slots of the candidate's and of a further colour.
_TRAINING, _VALIDATION = 1, 2


def training_charts(sources: Sources) -> list[Chart]:
    """Return the charts of loss, learning rate and gradient norm, as far as they were logged."""
    rows, evaluated = sources.curve("loss"), sources.curve("eval_loss")
    loss = [Line("training", _TRAINING, _points(rows, "loss"))]
    if evaluated:
        loss.append(Line("validation", _VALIDATION, _points(evaluated, "eval_loss"), "dots"))
    charts = [_chart("loss", "Loss", loss)]
    for key, title in (("learning_rate", "Learning rate"), ("grad_norm", "Gradient norm")):
        points = _points(rows, key)
        charts.append(_chart(key, title, [Line(title, _TRAINING, points)]))
    return [chart for chart in charts if any(line.points for line in chart.lines)]


def _points(rows: list[dict[str, float | None]], key: str) -> list[tuple[float, float]]:
    pairs = ((row.get("step"), row.get(key)) for row in rows)
    return [(step, value) for step, value in pairs if step is not None and value is not None]


def _chart(key: str, title: str, lines: list[Line]) -> Chart:
    steps = [x for line in lines for x, _ in line.points]
    values = [y for line in lines for _, y in line.points]
    x: Axis = axis_around("optimizer step", steps, zero=True)
    ends = "; ".join(
        f"{line.name}: {line.points[0][1]:.4g} at step {line.points[0][0]:g}, "
        f"{line.points[-1][1]:.4g} at step {line.points[-1][0]:g}"
        for line in lines
        if line.points
    )
    return Chart(
        id=f"training-{key}",
        title=title,
        description=f"{title} over the training steps. {ends}.",
        x=x,
        y=axis_around("", values, zero=True),
        lines=lines,
        height=220,
        legend=len(lines) > 1,
    )


def cost_facts(sources: Sources) -> list[Fact]:
    """Return what the training took: parameters, rows, steps, tokens."""
    train, flight = sources.metrics("train"), sources.metrics("preflight")
    provenance = sources.provenance()
    options = provenance["parameters"]
    facts = [("Trained parameters", _parameters(train, flight))]
    facts += _adapters(options, flight)
    facts += [
        ("Optimizer steps", f"{train['steps']:,}"),
        ("Training rows", f"{train['rows']:,}"),
        ("Rows seen in all", f"{provenance['consumed']['rows']:,}"),
        ("Loss", f"{train['first_loss']:.4f} at first, {train['last_loss']:.4f} at last"),
    ]
    if "plain_form" in flight:
        facts.append(("Conversation", PLAIN_FORM))
    if length := flight.get("length"):
        facts.append(("Longest row", f"{length['longest_row']:,} tokens"))
    images = (flight.get("image_tokens") or {}).get("image_tokens_a_row", [])
    if any(images):
        facts.append(("Image tokens a row", ", ".join(f"{count:,}" for count in images)))
    if precision := flight.get("precision"):
        held = f"{precision['trainable']} where trained"
        facts.append(("Arithmetic", f"{held}; frozen weights in {', '.join(precision['frozen'])}"))
    return facts


def _parameters(train: dict[str, Any], flight: dict[str, Any]) -> str:
    total = (flight.get("trainable") or {}).get("total")
    of = f" of {total:,}" if total else ""
    return f"{train['trainable_parameters']:,}{of} ({100 * train['trainable_share']:.3g} %)"


def _adapters(options: dict[str, Any], flight: dict[str, Any]) -> list[Fact]:
    train, lora = options["train"], options["lora"]
    if train["method"] == "full":
        return [("Method", "all weights that are not frozen")]
    four = " over a base held in 4 bits" if options["quantization"]["load_in_4bit"] else ""
    facts = [("Method", f"LoRA, rank {lora['r']}, alpha {lora['lora_alpha']}{four}")]
    if parts := (flight.get("modules") or {}).get("adapters_by_part"):
        counts = ", ".join(f"{n} in the {part.replace('_', ' ')}" for part, n in parts.items())
        facts.append(("Adapters", counts))
    return facts


def commands(sources: Sources) -> list[Fact]:
    """Return commands, each with what it does."""
    files = " ".join(
        shlex.quote(f"{PREDICTIONS.as_posix()}/{m}.parquet") for m in sources.comparison.models
    )
    return [
        ("dvc pull", "fetch the data, models and predictions that this page was made of"),
        (f"python -m verdict.statistics {files}", "every metric again, from the predictions alone"),
        ("dvc repro --force --single-item compare", "intervals, differences and the verdict again"),
        ("dvc repro", "everything, from the raw data on, as far as it is not up to date"),
    ]


def digests(sources: Sources) -> list[Fact]:
    """Return the files that the numbers rest on, with the SHA-256 of each."""
    return [
        *sources.prediction_files(),
        (COMPARISON.as_posix(), sha256_of(sources.root / COMPARISON)),
    ]


def identity(sources: Sources) -> list[Fact]:
    """Return what was trained, on what, and with which versions."""
    made: dict[str, Any] = sources.provenance()
    base, data = made["base"], made["training_data"]
    name = "built by this project (embedded)" if base["name"] == "embedded" else base["name"]
    revision = f", revision {base['revision']}" if base["revision"] else ""
    versions = ", ".join(f"{package} {version}" for package, version in made["versions"].items())
    facts = [("Base model", f"{name}{revision}")]
    if read := describe_weights(base):
        facts.append(("Base model’s weights", f"{read}; SHA-256 {base['weights']['sha256']}"))
    return [
        *facts,
        ("Base model’s files, SHA-256", base["sha256"]),
        ("Training conversations, SHA-256", data["conversations_sha256"]),
        ("Records, SHA-256", data["records_sha256"]),
        ("Order of training rows, SHA-256", made["consumed"]["sha256"]),
        ("Seed of the training", str(made["parameters"]["train"]["seed"])),
        ("Versions", versions),
    ]
