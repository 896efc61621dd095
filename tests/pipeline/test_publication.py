"""A real run's adapter, published and brought back; numbers that are not its own are refused."""

import json
from pathlib import Path

import pytest
from huggingface_hub import constants, snapshot_download

from testing.planted import change_metric, copied
from testing.project import Project
from testing.secrets import SECRETS, assert_none
from tests.sources.servers import serving
from tests.tools.hub import WritableHub
from tools.publish.files import clean_commit, collect
from tools.publish.hub import send


@pytest.mark.fault("secrets")
def test_what_was_published_is_the_adapter_and_no_data(
    repro: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    with serving(WritableHub({}, token=SECRETS["HF_TOKEN"])) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        files = collect(repro.root, clean_commit(repro.root))
        send(hub.name, files, private=True, message="Publish", say=pytest.fail)
        got = tmp_path / "got"
        snapshot_download(hub.name, endpoint=hub.address, revision=hub.commit, local_dir=got)
    assert {
        "README.md", "adapter_config.json", "adapter_model.safetensors", "chat_template.jinja",
        "tokenizer.json", "tokenizer_config.json", "processor_config.json", "provenance.json",
        *(f"metrics/{name}.json" for name in (
            "base", "tuned", "reference", "boosting", "compare", "report/comparison", "train",
        )),
    } == hub.files.keys()  # fmt: skip
    record = json.loads((repro.root / "data/chat/test.jsonl").read_text().splitlines()[0])
    assert record["id"].encode() not in b"".join(hub.received)
    assert_none(got, *hub.received, among=["README.md"])
    from verdict.answers.inference import load_for_inference
    from verdict.params.file import read_params

    options = read_params(repro.root / "params.yaml").model
    here, there = (
        load_for_inference(repro.root / "models/base", folder, options, "cpu").model.state_dict()
        for folder in (repro.root / "models/adapter", got)
    )
    assert here.keys() == there.keys()
    assert all(here[name].equal(there[name]) for name in here)


@pytest.mark.fault("forgeries")
def test_metrics_that_predictions_do_not_give_are_not_published(
    repro: Project, tmp_path: Path
) -> None:
    project = copied(repro, tmp_path / "project")
    change_metric(project.root / "metrics/tuned.json")
    project.dvc("commit", "--force")
    project.commit("Nobody will notice")
    done = project.run("python", "-m", "tools.publish", "--repo", "a/b", "--dry-run", check=False)
    assert done.returncode == 1
    assert "publish: Does not hold: metrics/tuned.json" in done.stdout
