"""What is published and what never is, and what a person is told when the hub refuses."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants, snapshot_download

from testing.secrets import SECRETS, assert_none
from tests.sources.servers import serving
from tests.tools.hub import TOKEN, WritableHub
from tests.verify.miniature import FILES, git
from tools.publish import __main__ as command
from tools.publish.__main__ import main
from tools.publish.files import Published, clean_commit, collect
from tools.publish.hub import foresee, send
from verdict.core.errors import VerdictError
from verdict.core.files import write_json

NAME = WritableHub.name
SENT = {
    "README.md", "adapter_config.json", "adapter_model.safetensors", "provenance.json",
    "tokenizer.json", "metrics/train.json", "metrics/report/comparison.json",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No token of the developer's, and LFS instead of Xet, which the stand-in does not speak."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[WritableHub]:
    with serving(WritableHub({})) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        yield server


@pytest.fixture
def files(miniature: Path) -> list[Published]:
    return collect(miniature, clean_commit(miniature))


def names(files: list[Published]) -> set[str]:
    return {file.name for file in files}


def publish(
    files: list[Published], *, private: bool = False, say: Callable[[str], None] = print
) -> str:
    return send(NAME, files, private=private, message="Publish", say=say)


def test_published_once_and_brought_back(
    hub: WritableHub, files: list[Published], tmp_path: Path
) -> None:
    assert names(files) == SENT
    address = publish(files, private=True)
    assert address == f"{hub.address}/{NAME}/commit/{hub.commit}"
    assert hub.private
    assert len(hub.commits) == 1
    got = Path(
        snapshot_download(NAME, revision=hub.commit, endpoint=hub.address, local_dir=tmp_path / "g")
    )
    for file in files:
        assert (got / file.name).read_bytes() == file.path.read_bytes()
    assert set(hub.files) == SENT


@pytest.mark.fault("secrets")
def test_the_command_lists_first_and_sends_no_secret(
    hub: WritableHub,
    miniature: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Metrics of a real pipeline are computed again in tests/pipeline/test_publication.py.
    monkeypatch.setattr(command, "check_numbers", lambda *_: "Holds.")
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    hub.token = SECRETS["HF_TOKEN"]
    main(["--repo", NAME, "--dry-run"])
    table = capsys.readouterr().out
    for name in SENT:
        assert name in table
    assert f"{len(SENT)} files" in table
    assert f"Dry run: nothing was sent to {NAME}. What it would remove there is not known" in table
    assert {method for method, _ in hub.asked} == {"GET"}
    assert not hub.exists
    main(["--repo", NAME, "--private"])
    said = "".join(capsys.readouterr())
    assert f"Published: {hub.address}/{NAME}/commit/{hub.commit}" in said
    assert set(hub.files) == SENT
    assert_none(miniature, table, said, *hub.received, among=["models/adapter"])


def test_a_later_publication_replaces_the_former_and_leaves_other_files(
    hub: WritableHub, files: list[Published]
) -> None:
    publish(files, say=pytest.fail)
    hub.files |= {"model.safetensors": b"old", "metrics/old.json": b"{}", "LICENSE": b"mine"}
    stale = "metrics/old.json, model.safetensors"
    assert foresee(NAME, files, private=False) == f"It would remove {stale}."
    said = list[str]()
    publish(files, say=said.append)
    assert said == [f"Removing {stale} of an earlier publication."]
    assert set(hub.files) == SENT | {"LICENSE"}
    assert len(hub.commits) == 2
    assert foresee(NAME, files, private=False) == "It would remove nothing there."


@pytest.mark.parametrize(
    "name",
    ["model.safetensors", "config.json", "metrics/auroc.json", "pytorch_model.bin", "model.gguf"],
)
def test_another_model_is_not_replaced(hub: WritableHub, files: list[Published], name: str) -> None:
    hub.exists = True
    hub.files = {"README.md": b"theirs", ".gitattributes": b"", name: b"theirs"}
    before = dict(hub.files)
    said = f"{NAME} holds another model, which was not published from here \\({name}\\): choose an"
    for attempt in (publish, lambda files: foresee(NAME, files, private=False)):
        with pytest.raises(VerdictError, match=said):
            attempt(files)
    assert hub.files == before
    assert not hub.commits


def test_a_repository_in_which_there_is_no_model_yet_is_used(
    hub: WritableHub, files: list[Published]
) -> None:
    hub.exists = True
    hub.files = {"README.md": b"soon", ".gitattributes": b"", "LICENSE": b"mine"}
    publish(files, say=pytest.fail)
    assert set(hub.files) == SENT | {".gitattributes", "LICENSE"}


def plant(root: Path, outputs: dict[str, object]) -> None:
    """Let a stage have made these as well, and commit it."""
    listed = "".join(f"      - {path}\n" for path in outputs)
    (root / "dvc.yaml").open("a").write(f"  split:\n    cmd: 'true'\n    outs:\n{listed}")
    for path, value in outputs.items():
        write_json(root / path, value)
    dvc = [sys.executable, "-m", "dvc", "commit", "--force", "--quiet"]
    subprocess.run(dvc, cwd=root, check=True)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "-m", "With more stages")


@pytest.mark.fault("secrets")
def test_neither_patients_nor_records_nor_answers_of_the_data_are_named(
    hub: WritableHub, miniature: Path
) -> None:
    rejected = {"id": "ISIC_4711", "image": "scan_of_4711.jpg", "reason": "is truncated"}
    crossing = {"groups": 1, "names": ["patient_0815"]}
    learned = {"labels": {"learned": ["an answer of a replicate"]}}
    outputs = {
        "metrics/extract.json": {"rejected": 1, "rejections": [rejected]},
        "metrics/replicates/again/preflight.json": learned,
        "metrics/replicates/again/train.json": {"steps": 1},
        "metrics/split.json": {"published_splits_divide": crossing},
    }
    plant(miniature, outputs)
    files = collect(miniature, clean_commit(miniature))
    assert names(files) == SENT | {"metrics/replicates/again/train.json"}
    publish(files)
    # What an earlier version had published goes.
    hub.files["metrics/split.json"] = b"patient_0815"
    publish(files)
    everything = b"".join(hub.received) + b"".join(hub.files.values())
    for name in ("4711", "0815", "truncated", "an answer of a replicate"):
        assert name.encode() not in everything


@pytest.mark.fault("secrets")
def test_data_and_secrets_beside_what_is_published_are_not_sent(
    hub: WritableHub, miniature: Path
) -> None:
    secret = b"hf_planted_secret"
    for name in ("metrics/token.json", "metrics/report/cases.json", "models/base/config.json"):
        (miniature / name).parent.mkdir(exist_ok=True)
        (miniature / name).write_bytes(secret)
    (miniature / ".env").write_bytes(secret)
    (miniature / ".gitignore").open("a").write(".env\n")
    git(miniature, "add", "--all")
    git(miniature, "commit", "--quiet", "-m", "Careless")
    publish(collect(miniature, clean_commit(miniature)))
    assert set(hub.files) == SENT
    everything = b"".join(hub.received)
    quoted = (FILES["metrics/preflight.json"], FILES["data/splits/test.csv"])
    assert not [text for text in (secret, *map(str.encode, quoted)) if text in everything]


def test_a_folder_of_the_project_will_do(
    hub: WritableHub,
    miniature: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(command, "check_numbers", lambda *_: "Holds.")
    monkeypatch.chdir(miniature / "metrics/report")
    main(["--repo", NAME, "--dry-run"])
    assert f"{len(SENT)} files" in capsys.readouterr().out


def test_no_token(
    hub: WritableHub, files: list[Published], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(VerdictError, match="there is no token: `hf auth login`, or HF_TOKEN"):
        publish(files)
    assert not hub.received


@pytest.mark.fault("secrets")
def test_expired_token_is_not_repeated_to_the_reader(
    hub: WritableHub, files: list[Published], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_expired")
    with pytest.raises(VerdictError, match="the token is not valid, or has expired") as raised:
        publish(files)
    assert "hf_expired" not in str(raised.value)
    assert not hub.files


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/api/repos/create", 403, "HTTP 403 .*needs write access to organization"),
        (f"/api/models/{NAME}/preupload", 403, "HTTP 403 .*needs write access to organization"),
        (f"/api/models/{NAME}/commit", 500, r"HTTP 500 .*\(no\): run again later"),
        (f"/{NAME}.git/info/lfs", 403, "HTTP 403 "),
        ("/lfs/", 403, "HTTP 403 "),
        ("/api/validate-yaml", 400, "Invalid metadata in README.md"),
    ],
)
def test_the_hub_refuses(
    hub: WritableHub, files: list[Published], path: str, status: int, said: str
) -> None:
    hub.refused[path] = (status, "no")
    with pytest.raises(VerdictError, match=said):
        publish(files)
    assert not hub.files


def test_a_public_repository_is_not_mistaken_for_a_private_one(
    hub: WritableHub, files: list[Published]
) -> None:
    hub.exists = True
    with pytest.raises(VerdictError, match="is there already, and public"):
        publish(files, private=True)
    with pytest.raises(VerdictError, match="is there already, and public"):
        foresee(NAME, files, private=True)
    assert not hub.files


def test_what_the_repository_leaves_out_is_noticed(
    hub: WritableHub, files: list[Published]
) -> None:
    hub.ignored = {"tokenizer.json"}
    with pytest.raises(VerdictError, match=r"tokenizer.json did not arrive in .* \.gitignore"):
        publish(files)


@pytest.mark.parametrize("offline", [False, True], ids=["no answer", "told to be offline"])
def test_no_hub(files: list[Published], monkeypatch: pytest.MonkeyPatch, offline: bool) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{unused.getsockname()[1]}")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
        with pytest.raises(VerdictError) as raised:
            publish(files)
        foreseen = foresee(NAME, files, private=False)
    expected = "HF_HUB_OFFLINE is set" if offline else "the hub cannot be reached"
    assert str(raised.value).startswith(expected)
    assert foreseen.startswith(f"What it would remove there is not known: {expected}")
