"""TensorBoard and Weights & Biases, read back from what they write."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.tracking.conftest import spools
from verdict.tracking.run import Run, start_run

PARAMETERS = {"lora": {"r": 16}}


def record(trackers: tuple[str, ...], project: Path) -> Run:
    run = start_run(trackers, "melanoma", name="tuned", parameters=PARAMETERS, tags={"a": "b"})
    for step in range(1, 4):
        run.log(step, {"loss": 1 / step})
    Image.new("RGB", (8, 4), (255, 0, 0)).save(project / "comparison.png")
    (project / "loss.csv").write_text("step,loss\n")
    run.set_tags({"adapter.sha256": "abc"})
    run.log_figures([project / "comparison.png", project / "loss.csv"])
    run.log_metrics({"accuracy": 0.75})
    run.finish(wait=60)
    return run


def test_tensorboard_reads_back_what_was_logged(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for _ in range(2):
        record(("tensorboard",), project)
    assert capfd.readouterr() == ("", "")
    folder = project / ".tracking/tensorboard/melanoma"
    first, second = sorted(folder.iterdir())
    assert first.name == "tuned"
    assert second.name.startswith("tuned-"), "two runs of one name stay apart"
    for place in (first, second):
        events = EventAccumulator(str(place))
        events.Reload()
        curve = [(point.step, point.value) for point in events.Scalars("loss")]
        assert curve == [(1, 1.0), (2, 0.5), (3, pytest.approx(1 / 3))]
        assert events.Scalars("accuracy")[0].value == 0.75
        [image] = events.Images("comparison")
        assert (image.width, image.height) == (8, 4)
        text = events.Tensors("parameters/text_summary")[0].tensor_proto.string_val[0]
        assert b"| lora.r | 16 |" in text


def test_wandb_offline_writes_a_run_that_can_be_synced(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    # Neither a key nor a login: HOME is empty.
    record(("wandb",), project)
    output = capfd.readouterr()
    assert output.out == ""
    [folder] = (project / ".tracking/wandb").glob("offline-run-*")
    assert output.err.strip() == (
        f"tracking: Weights & Biases was offline; to upload the run: wandb sync {folder}"
    )
    assert (folder / "files/loss.csv").read_text() == "step,loss\n"
    assert not (folder / "files/loss.csv").is_symlink()
    [data] = folder.glob("*.wandb")
    kinds = read_wandb(data)
    assert kinds["history"] == [(1, 1.0), (2, 0.5), (3, pytest.approx(1 / 3))]
    assert kinds["summary"]["accuracy"] == 0.75
    assert kinds["config"] >= {("lora.r", "16"), ("a", '"b"'), ("adapter.sha256", '"abc"')}
    assert spools(project) == []


def read_wandb(path: Path) -> dict[str, Any]:
    """Read history, summary and configuration from W&B's own file."""
    from wandb.proto import wandb_internal_pb2

    history, summary, config = [], {}, set()
    for data in wandb_records(path):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.HasField("history"):
            row = {key(item): json.loads(item.value_json) for item in record.history.item}
            history.append((row["step"], row["loss"]))
        if record.HasField("summary"):
            summary |= {key(item): json.loads(item.value_json) for item in record.summary.update}
        for part in (record.run.config, record.config):
            config |= {(key(item), item.value_json) for item in part.update}
    return {"history": history, "summary": summary, "config": config}


def key(item: Any) -> str:
    return item.key or item.nested_key[0]


def wandb_records(path: Path) -> Iterator[bytes]:
    """Yield the records of a LevelDB log: blocks of 32 KiB, with parts of seven bytes' header."""
    data, place, record = path.read_bytes(), 7, b""
    while place + 7 <= len(data):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        record += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield record
            record = b""
