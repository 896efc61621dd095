"""A project in miniature: DVC knows its outputs, git has the rest, and nothing was ever trained."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from testing.places import ROOT
from verify.__main__ import main, parse
from verify.findings import Verification
from verify.signature import prepare

SIGNATURE = Path("verification.sig")
FILES = {
    ".gitignore": "/verification.*\n*.pem\n/models/\n/data/\n/metrics/train.json\n",
    ".dvc/config": "[core]\n    analytics = false\n",
    "params.yaml": (ROOT / "params.yaml").read_text("utf-8"),
    "requirements.txt": "# pins\nnumpy==2.4.6\nabsent-package==1.0\n",
    "dvc.yaml": """\
stages:
  train:
    cmd: "true"
    outs:
      - data/splits
      - models/adapter
      - metrics/train.json
      - metrics/preflight.json:
          cache: false
  report:
    cmd: "true"
    outs:
      - metrics/report/comparison.json:
          cache: false
      - metrics/report/model_card.md:
          cache: false
""",
    "data/splits/test.csv": "id\nISIC_1\n",
    "data/splits/train.csv": "id\nISIC_2\n",
    "models/adapter/adapter_config.json": "{}",
    "models/adapter/adapter_model.safetensors": "weights",
    "models/adapter/provenance.json": "{}",
    "models/adapter/tokenizer.json": "{}",
    "metrics/train.json": '{"steps": 1}',
    "metrics/preflight.json": '{"labels": {"learned": ["an answer of the data"]}}',
    "metrics/report/comparison.json": "{}",
    "metrics/report/model_card.md": "---\nlicense: mit\n---\n# Model\n",
    "metrics/note.txt": "tracked by git alone\n",
}


def git(root: Path, *arguments: str) -> str:
    who = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    return subprocess.run(
        ["git", *who, *arguments], cwd=root, check=True, capture_output=True, text=True
    ).stdout


def write_keys(
    folder: Path = Path(), name: str = "own", curve: ec.EllipticCurve | None = None
) -> tuple[Path, Path]:
    """Write NAME.pem and NAME.pub.pem, and return both paths."""
    key = ec.generate_private_key(curve or ec.SECP256R1())
    private, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    form = PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, form))
    return private, public


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("finished") / "project"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    git(root, "init", "--quiet", "--initial-branch", "main")
    command = [sys.executable, "-m", "dvc", "commit", "--force", "--quiet"]
    subprocess.run(command, cwd=root, check=True)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "-m", "As it ran")
    assert json.loads((root / "metrics/train.json").read_text())
    return root


@pytest.fixture
def miniature(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to damage, and the folder that the test runs in."""
    root = tmp_path / "project"
    shutil.copytree(finished, root, symlinks=True)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def signed(miniature: Path) -> Path:
    """The project in miniature with a signature, as after a verification that holds."""
    write_keys()
    options = parse(["--sign", "--private-key", "own.pem"])
    said = prepare(options, lambda _: None).finish(
        Verification(git(miniature, "rev-parse", "HEAD").strip())
    )
    assert said.startswith("Signed: verification.sig, 15 files of ")
    assert git(miniature, "status", "--porcelain") == ""
    return miniature


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def run(key: str = "own.pub.pem") -> tuple[int, str]:
        code = main(["--check", "--public-key", key])
        return code, "".join(capsys.readouterr())

    return run
