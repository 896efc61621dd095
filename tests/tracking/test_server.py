"""What arrives at a real MLflow server."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from testing.tiny import LORA, MODEL, Tiny
from tests.tracking.conftest import Server, kept, spools, tracking
from verdict.core.files import sha256_of_tree, write_json
from verdict.params import Tracking
from verdict.tracking.run import Run, resume_run, start_run
from verdict.tracking.stages import keep_throughput, record_evaluation, throughput_of

mlflow = pytest.importorskip("mlflow")


@pytest.fixture
def client(project: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    return mlflow.MlflowClient(server.address)


def start(experiment: str, **options: Any) -> Run:
    given = {"name": "tuned", "parameters": {"lora": {"r": 16}}, "tags": {}, **options}
    return start_run(("mlflow",), experiment, **given)


def runs(client: Any, experiment: str) -> list[Any]:
    return client.search_runs([client.get_experiment_by_name(experiment).experiment_id])


def curve(client: Any, run: Any, key: str = "loss") -> list[tuple[int, float]]:
    history = client.get_metric_history(run.info.run_id, key)
    return [(point.step, point.value) for point in history]


def make_adapter(tiny: Tiny, folder: Path) -> Path:
    from peft import LoraConfig, get_peft_model

    from verdict.models.load import load_model, load_processor

    config = LoraConfig(task_type="CAUSAL_LM", r=2, target_modules=LORA.target_modules)
    get_peft_model(load_model(tiny.base, MODEL, "cpu"), config).save_pretrained(folder)
    load_processor(tiny.base).save_pretrained(folder)
    base = {"name": "embedded", "revision": None, "sha256": sha256_of_tree(tiny.base)}
    write_json(
        folder / "provenance.json",
        {"base": base, "parameters": {"model": MODEL.model_dump(mode="json")}},
    )
    return folder


def test_a_run_arrives_whole(client: Any, project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (8, 8)).save(project / "comparison.png")
    run = start(
        "whole",
        parameters={"lora": {"r": 16, "modules": ["a", "b"]}, "train": {"max_steps": None}},
        tags={"git.commit": "c0ffee"},
    )
    for step in range(1, 4):
        run.log(step, {"loss": 1 / step, "learning_rate": 0.1 * step})
    run.set_tags({"adapter.sha256": "abc"})
    run.log_metrics({"tuned.balanced_accuracy": 0.9})
    run.log_figures([project / "comparison.png"])
    run.finish()
    [found] = runs(client, "whole")
    assert found.data.params == {
        "lora.r": "16",
        "lora.modules": '["a", "b"]',
        "train.max_steps": "null",
    }
    assert curve(client, found) == [(1, 1.0), (2, 0.5), (3, 1 / 3)]
    assert found.data.metrics["tuned.balanced_accuracy"] == 0.9
    assert found.data.tags["adapter.sha256"] == "abc"
    assert found.data.tags["mlflow.source.git.commit"] == "c0ffee"
    assert (found.info.run_name, found.info.status) == ("tuned", "FINISHED")
    names = [file.path for file in client.list_artifacts(found.info.run_id, "figures")]
    assert names == ["figures/comparison.png"]
    assert kept(project) == []
    assert capfd.readouterr() == ("", "")


def test_a_failed_run_says_so(client: Any) -> None:
    with pytest.raises(ZeroDivisionError), start("failed"):
        raise ZeroDivisionError
    assert [run.info.status for run in runs(client, "failed")] == ["FAILED"]


def test_the_adapter_is_a_model_that_mlflow_loads_and_asks(
    client: Any, project: Path, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = make_adapter(tiny, project / "adapter")
    run = start("adapter")
    # Twice, as when an upload is repeated: there is one model in the end.
    for _ in range(2):
        run.log_adapter(adapter, Path("models/base"))
    # The next run replaces the folder; what was logged stays what it was.
    saved = adapter.rename(project / "saved")
    run.finish(wait=60)
    [found] = runs(client, "adapter")
    [output] = found.outputs.model_outputs
    model = f"models:/{output.model_id}"
    (project / "square.jpg").write_bytes(tiny.images[tiny.conversations[0].id])
    question = {"base": str(tiny.base), "model": model, "prompt": tiny.conversations[0].prompt}
    # A stranger: neither this project's folder nor its checkout.
    monkeypatch.delenv("PYTHONPATH")
    answer = subprocess.run(
        [sys.executable, "-I", "-c", STRANGER, json.dumps(question)],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert answer.returncode == 0, answer.stderr
    found_by_stranger = json.loads(answer.stdout)
    assert found_by_stranger["base"] == {
        "path": "models/base",
        "name": "embedded",
        "revision": None,
        "sha256": sha256_of_tree(tiny.base),
    }
    first, second, third, of_two = found_by_stranger["answers"]
    assert isinstance(of_two, str)
    assert first == second
    assert third == direct_answer(tiny, saved)
    assert "the input has no column prompt" in found_by_stranger["refusal"]
    assert "verdict" not in found_by_stranger["installed"]


STRANGER = """
import json, sys
from pathlib import Path
import mlflow, pandas as pd

asked = json.loads(sys.argv[1])
try:
    import verdict
    installed = "verdict"
except ImportError:
    installed = ""
model = mlflow.pyfunc.load_model(
    asked["model"], model_config={"base": asked["base"], "device": "cpu", "max_new_tokens": 8}
)
image, text = Path("square.jpg").read_bytes(), "What colour is this?"
table = pd.DataFrame(
    {
        "image": [image, "square.jpg", image, [image, "square.jpg"]],
        "prompt": [text, text, asked["prompt"], "Prior: {image 1} Current: {image 2} Changed?"],
    }
)
try:
    model.predict(table[["image"]])
except Exception as error:
    refusal = str(error)
print(json.dumps({
    "answers": model.predict(table),
    "base": model.metadata.metadata["base"],
    "refusal": refusal,
    "installed": installed,
}))
"""


def direct_answer(tiny: Tiny, adapter: Path) -> str:
    """Ask the same model without mlflow."""
    from verdict.answers.batches import batches
    from verdict.answers.generation import generate_answers
    from verdict.answers.inference import load_for_inference
    from verdict.models.chat import candidate_ids

    loaded = load_for_inference(tiny.base, adapter, MODEL, "cpu")
    conversation = tiny.conversations[0]
    batch = next(batches(loaded.processor, [conversation], tiny.images, 1, "cpu"))
    end = candidate_ids(loaded.processor, conversation.prompt, tiny.answers)[0][-1]
    [answer] = generate_answers(
        loaded.model, loaded.processor, batch.inputs, end_of_turn=end, max_new_tokens=8
    )
    return answer


def test_evaluation_continues_the_run_that_trained_the_adapter(client: Any) -> None:
    experiment = client.create_experiment("resumed")
    for time, sha in enumerate(("bbb", "aaa")):
        other = client.create_run(experiment, time, {"adapter.sha256": sha})
        client.set_terminated(other.info.run_id)
    training = start("resumed")
    training.set_tags({"adapter.sha256": "bbb"})
    training.finish()
    evaluation = resume_run(("mlflow",), "resumed", tag=("adapter.sha256", "bbb"), name="eval")
    evaluation.log_metrics({"accuracy": 0.75})
    evaluation.finish(failed=True)
    newest, *others = runs(client, "resumed")
    assert newest.info.run_name == "tuned"
    assert newest.data.metrics == {"accuracy": 0.75}
    assert newest.info.status == "FINISHED", "the training did not fail"
    assert [run.data.metrics for run in others] == [{}, {}]


def test_without_a_run_to_continue_there_is_a_new_one(client: Any) -> None:
    for _ in range(2):
        run = resume_run(("mlflow",), "fresh", tag=("adapter.sha256", "ccc"), name="evaluation")
        run.log_metrics({"accuracy": 0.5})
        run.finish()
    [found] = runs(client, "fresh")
    assert found.info.run_name == "evaluation"
    assert found.data.tags["adapter.sha256"] == "ccc"


def test_numbers_report_and_throughput_reach_the_run(client: Any, project: Path) -> None:
    for path, content in {
        "models/adapter/a": "weights",
        "metrics/report/verdict.md": "Tuning helped.",
        "data/predictions/base.parquet": "made here",
        "data/predictions/tuned.parquet": "pulled",
    }.items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(content)
    keep_throughput(Path("data/predictions/base.parquet"), 12.5)
    values = {"verdict": "Tuning helped.", "models": ["base", "tuned"], "tuned.accuracy": 0.75}
    record_evaluation(
        Tracking(trackers=["mlflow"], experiment="numbers"), Path("models/adapter"), values,
        Path("metrics/report"), Path("data/predictions"),
    )  # fmt: skip
    [found] = runs(client, "numbers")
    assert found.data.metrics == {"tuned.accuracy": 0.75, "base.records_per_second": 12.5}
    assert found.data.tags["verdict"] == "Tuning helped."
    names = [file.path for file in client.list_artifacts(found.info.run_id, "figures")]
    assert names == ["figures/verdict.md"]
    # Other predictions under the same name were answered elsewhere.
    Path("data/predictions/base.parquet").write_text("made elsewhere")
    assert throughput_of(Path("data/predictions/base.parquet")) is None


def test_what_was_sent_already_is_not_sent_twice(
    client: Any, project: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    run = start("twice")
    for step in range(5):
        run.log(step, {"loss": 1.0})
    run.finish()
    [spool] = spools(project)
    events = spool.read_bytes()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    unknown = {"mlflow": {"run": "0" * 32, "sent": 4, "done": False}}
    # First as if part had gone to another server, which this one knows nothing of; then as after
    # an upload that was cut before it could note what had arrived.
    for state in (unknown, {}):
        spool.write_bytes(events)
        write_json(spool.with_suffix(".sent"), state)
        assert tracking("upload", str(spool)).returncode == 0
    [found] = runs(client, "twice")
    assert [step for step, _ in curve(client, found)] == [0, 1, 2, 3, 4]


@pytest.mark.fault("secrets")
def test_no_secret_is_written_down(
    client: Any, project: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:hunter22@127.0.0.1:{server.port}")
    monkeypatch.setenv("WANDB_API_KEY", "k3y-of-wandb")
    run = start(
        "secret",
        parameters={"fetch": {"images": "https://u:hunter22@host/f.zip?sig=hunter22"}},
        tags={"note": "key k3y-of-wandb"},
    )
    run.set_tags({"more": "k3y-of-wandb", "address": "https://u:hunter22@host/x"})
    [spool] = spools(project)
    text = spool.read_text()
    run.finish()
    assert runs(client, "secret")[0].data.params == {"fetch.images": "https://host/f.zip?…"}
    with sqlite3.connect(server.folder / "server.db") as database:
        text += "\n".join(database.iterdump())
    assert "secret" in text
    assert "hunter22" not in text
    assert "k3y-of-wandb" not in text
