"""The MLflow server of ``deploy/gke``, by its own command line on this machine."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from testing.places import ROOT
from tests.deploy.servers import answers, free_port, started, status_of


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server, with its folders here; yields its address."""
    folder: Path = tmp_path_factory.mktemp("mlflow")
    text = (ROOT / "deploy/gke/overlays/services/mlflow.yaml").read_text("utf-8")
    (deployment,) = (one for one in yaml.safe_load_all(text) if one["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    port = free_port()
    replaced = {
        "0.0.0.0": "127.0.0.1",
        "5000": str(port),
        "sqlite:////data/mlflow.db": f"sqlite:///{folder}/mlflow.db",
        "gs://from-settings/mlflow": str(folder / "artifacts"),
    }
    command = [*container["command"], *container["args"]]
    assert set(replaced) <= set(command)
    with started(
        [sys.executable, "-m", *(replaced.get(part, part) for part in command)],
        folder / "log",
        answers(f"http://127.0.0.1:{port}/health"),
        cwd=folder,
    ):
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        # Pods, and `kubectl port-forward`, which prints 127.0.0.1:5000.
        ("mlflow:5000", 200),
        ("localhost:5000", 200),
        ("127.0.0.1:5000", 200),
        ("elsewhere.example", 403),
        ("elsewhere.example:5000", 403),
    ],
)
def test_the_server_answers_to_its_own_names_only(server: str, host: str, status: int) -> None:
    assert status_of(server, host) == status
