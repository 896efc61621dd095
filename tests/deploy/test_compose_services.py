"""The MLflow server of compose.yaml, by its own command line, on a real PostgreSQL.

The object store is moto's S3; where SeaweedFS is installed (``weed``), that one, by its own command
line as well. Containers are what is missing: names and ports of other services become loopback's.
"""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from testing.places import ROOT
from tests.deploy.servers import answers, free_port, started, status_of

pytest.importorskip("psycopg2", reason="psycopg2 is not installed: requirements-server.txt")
boto3 = pytest.importorskip("boto3")

POSTGRES = shutil.which("initdb") or next(
    (str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))), None
)
#: A password that an address could not hold.
SECRETS = {
    "POSTGRES_PASSWORD": "canary:p@ss/w#rd?",
    "OBJECTS_ACCESS_KEY": "canary-access",
    "OBJECTS_SECRET_KEY": "canary+secret/key",
}
SEAWEED_PORTS = (8333, 8888, 9333, 9340)

pytestmark = pytest.mark.skipif(POSTGRES is None, reason="PostgreSQL is not installed")


def service(name: str) -> tuple[list[str], dict[str, str]]:
    """Return a service's command and environment, with the secrets filled in."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]
    environment = {
        key: SECRETS[value[2:].split(":")[0]] if value.startswith("${") else value
        for key, value in found[name].get("environment", {}).items()
    }
    return found[name].get("command", []), environment


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A short path that PostgreSQL's user may enter, too."""
    path = Path("/tmp") / f"compose-{os.getpid()}"
    path.mkdir()
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def database(folder: Path) -> Iterator[int]:
    """PostgreSQL as compose.yaml sets it up; yields its port."""
    assert POSTGRES is not None
    binaries = Path(POSTGRES).resolve().parent
    _, environment = service("postgres")
    data, password, port = folder / "database", folder / "password", free_port()
    data.mkdir()
    password.write_text(environment["POSTGRES_PASSWORD"])
    # It refuses to run as root.
    who: dict[str, Any] = {"user": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
    if who:
        shutil.chown(data, "postgres")
    subprocess.run(
        [
            str(binaries / "initdb"), "--pgdata", str(data), "--pwfile", str(password),
            "--username", environment["POSTGRES_USER"], "--auth-local=reject", "--no-sync",
            *environment["POSTGRES_INITDB_ARGS"].split(),
        ],
        check=True, capture_output=True, cwd=folder, **who,
    )  # fmt: skip
    check = [str(binaries / "pg_isready"), "--host=127.0.0.1", f"--port={port}"]
    with started(
        [
            str(binaries / "postgres"), "-D", str(data), "-p", str(port), "-h", "127.0.0.1",
            "-c", "unix_socket_directories=", "-c", "fsync=off",
        ],
        folder / "postgres.log",
        lambda: subprocess.run(check, check=True, capture_output=True),
        cwd=folder, **who,
    ):  # fmt: skip
        create = "CREATE DATABASE mlflow"
        subprocess.run(
            [str(binaries / "psql"), f"--port={port}", "--dbname=postgres", "--command", create],
            env={
                **os.environ,
                "PGHOST": "127.0.0.1",
                "PGUSER": environment["POSTGRES_USER"],
                "PGPASSWORD": environment["POSTGRES_PASSWORD"],
            },
            check=True,
            capture_output=True,
        )
        yield port


@pytest.fixture(scope="module", params=["moto", "weed"])
def objects(folder: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """An object store with the bucket; yields its address."""
    command, environment = service("objects")
    if request.param == "weed":
        weed = shutil.which("weed")
        if weed is None:
            pytest.skip("SeaweedFS is not installed")
        for port in SEAWEED_PORTS:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    pytest.skip(f"port {port} is in use")
        data = folder / "objects"
        data.mkdir()
        command = [part.replace("=/objects", f"={data}").replace("0.0.0.0", "127.0.0.1")
                   for part in command]  # fmt: skip
        address = "http://127.0.0.1:8333"
        with started(
            [weed, *command],
            folder / "weed.log",
            answers(f"{address}/healthz"),
            env={**os.environ, **environment},
            cwd=data,
        ):
            yield address
        return
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with started(
        [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)],
        folder / "moto.log",
        answers(f"{address}/moto-api/"),
    ):
        store(address).create_bucket(Bucket="mlflow")
        yield address


def store(address: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id=SECRETS["OBJECTS_ACCESS_KEY"],
        aws_secret_access_key=SECRETS["OBJECTS_SECRET_KEY"],
    )


@pytest.fixture(scope="module")
def server(folder: Path, database: int, objects: str) -> Iterator[str]:
    """The server by its own command; yields its address."""
    command, environment = service("mlflow")
    port = free_port()
    replaced = {"--port=5000": f"--port={port}", "--host=0.0.0.0": "--host=127.0.0.1"}
    assert set(replaced) <= set(command)
    with started(
        [sys.executable, "-m", "mlflow", *(replaced.get(part, part) for part in command)],
        folder / "mlflow.log",
        answers(f"http://127.0.0.1:{port}/health"),
        env={
            **os.environ, **environment,
            "PGHOST": "127.0.0.1", "PGPORT": str(database), "MLFLOW_S3_ENDPOINT_URL": objects,
        },
        cwd=folder,
    ):  # fmt: skip
        yield f"http://127.0.0.1:{port}"


def test_a_run_and_its_files_arrive(
    server: str, objects: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(folder)
    mlflow.set_tracking_uri(server)
    client = mlflow.MlflowClient(server)
    experiment = client.create_experiment(f"compose-{objects}")
    run = client.create_run(experiment)
    for step in range(3):
        client.log_metric(run.info.run_id, "loss", 1 / (step + 1), step=step)
    client.log_param(run.info.run_id, "lora.r", 16)
    large = folder / "adapter.bin"
    large.write_bytes(os.urandom(12 << 20))
    client.log_artifact(run.info.run_id, large, "adapter")
    client.set_terminated(run.info.run_id)

    found = client.get_run(run.info.run_id)
    assert (found.info.status, found.data.params) == ("FINISHED", {"lora.r": "16"})
    assert len(client.get_metric_history(run.info.run_id, "loss")) == 3
    (folder / "back").mkdir(exist_ok=True)
    back = client.download_artifacts(run.info.run_id, "adapter/adapter.bin", folder / "back")
    assert Path(back).read_bytes() == large.read_bytes()
    # The server keeps them in the bucket, and the client needs no key to it.
    listed = store(objects).list_objects_v2(Bucket="mlflow")["Contents"]
    sizes = {item["Key"]: item["Size"] for item in listed}
    assert sizes[f"{experiment}/{run.info.run_id}/artifacts/adapter/adapter.bin"] == 12 << 20

    logs = "".join(log.read_text(errors="replace") for log in folder.glob("*.log"))
    # The access key is a name, and stores log it.
    for name in ("POSTGRES_PASSWORD", "OBJECTS_SECRET_KEY"):
        assert SECRETS[name] not in logs, name


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("mlflow:5000", 200),
        ("localhost:5000", 200),
        ("127.0.0.1:5000", 200),
        ("elsewhere.example", 403),
    ],
)
def test_the_server_answers_to_its_own_names_only(server: str, host: str, status: int) -> None:
    assert status_of(server, host) == status
