"""Statements are signed: what they say, with which keys, and when nothing is signed."""

import base64
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from tests.verify.miniature import SIGNATURE, git, write_keys
from verdict.core.errors import VerdictError
from verify.__main__ import main, parse
from verify.findings import Verification, different
from verify.signature import prepare


def payload(statement: Path = SIGNATURE) -> dict:
    bundle = json.loads(statement.read_text())
    return json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))


def test_a_statement_names_files_commit_and_environment(signed: Path) -> None:
    said = payload()
    assert said["_type"] == "https://in-toto.io/Statement/v1"
    assert said["predicateType"] == "https://model_signing/signature/v1.0"
    predicate = said["predicate"]
    assert predicate["commit"] == git(signed, "rev-parse", "HEAD").strip()
    files = {one["name"]: one["digest"] for one in predicate["resources"]}
    assert set(files) == {
        "data/splits/test.csv", "data/splits/train.csv", "dvc.lock", "dvc.yaml",
        "metrics/note.txt", "metrics/preflight.json", "metrics/report/comparison.json",
        "metrics/report/model_card.md", "metrics/train.json", "params.yaml", "requirements.txt",
        *(f"models/adapter/{name}" for name in (
            "adapter_config.json", "adapter_model.safetensors", "provenance.json", "tokenizer.json",
        )),
    }  # fmt: skip
    environment = predicate["environment"]
    assert environment["requirements.txt sha256"] == files["requirements.txt"]
    assert environment["packages"] == {"numpy": "2.4.6", "absent-package": "absent"}
    assert environment["python"] == ".".join(map(str, sys.version_info[:3]))
    assert environment["platform"]


def test_keys_and_checks_as_the_help_says(
    signed: Path, capsys: pytest.CaptureFixture[str], check: Callable
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the keys, and is not installed")
    with pytest.raises(SystemExit):
        main(["--help"])
    lines = re.sub(r" *\\\n *", " ", capsys.readouterr().out).splitlines()
    openssl = [line for line in lines if line.startswith("  openssl")]
    (sign,) = (line.split(" -m verify ")[1] for line in lines if "--private-key sign" in line)
    (own,) = (line.split(" -m verify ")[1] for line in lines if "verify --check" in line)
    (stock,) = (line for line in lines if line.startswith("  model_signing verify"))
    assert len(openssl) == 2
    for line in openssl:
        subprocess.run(shlex.split(line), check=True, capture_output=True)
    options = parse(shlex.split(sign))
    prepare(options, lambda _: None).finish(Verification(payload()["predicate"]["commit"]))
    assert main(shlex.split(own)) == 0
    command = [str(Path(sys.executable).with_name("model_signing")), *shlex.split(stock)[1:]]
    assert subprocess.run(command, capture_output=True).returncode == 0
    weights = signed / "models/adapter/adapter_model.safetensors"
    weights.chmod(0o644)
    weights.write_text("others")
    assert subprocess.run(command, capture_output=True).returncode != 0


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "the key k.pem cannot be read: No such file"),
        (lambda path: path.write_text("x"), "k.pem is no private key"),
        (
            lambda path: path.write_bytes(Path("own.pub.pem").read_bytes()),
            "k.pem is no private key",
        ),
        (lambda path: write_keys(name="k", curve=ec.SECP256K1()), "k.pem is no private key"),
        (lambda path: path.write_bytes(encrypted()), "k.pem is encrypted: `openssl pkey"),
    ],
    ids=["missing", "no key", "public", "curve", "encrypted"],
)
def test_unusable_key(
    miniature: Path,
    capsys: pytest.CaptureFixture[str],
    make: Callable[[Path], None],
    said: str,
) -> None:
    write_keys()
    make(Path("k.pem"))
    assert main(["--sign", "--private-key", "k.pem"]) == 2
    assert f"Could not verify: {said}" in capsys.readouterr().err


def encrypted() -> bytes:
    lock = BestAvailableEncryption(b"secret")
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)


@pytest.mark.fault("forgeries")
def test_nothing_is_signed_that_is_different_or_of_another_commit(miniature: Path) -> None:
    write_keys()
    pending = prepare(parse(["--sign", "--private-key", "own.pem"]), lambda _: None)
    commit = pending.statement.commit
    found = Verification(commit, claims={"code": different("x is edited")})
    assert pending.finish(found) == "Not signed. Does not hold: code."
    with pytest.raises(VerdictError, match="there was a commit in between"):
        pending.finish(Verification("0" * 40))
    assert not SIGNATURE.exists()


@pytest.mark.fault("forgeries")
def test_unclean_tree_and_absent_outputs_are_not_signed(
    miniature: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_keys()
    (miniature / "new.py").write_text("")
    assert main(["--sign", "--private-key", "own.pem"]) == 2
    assert "new.py is not as committed (`git status`)" in capsys.readouterr().err
    (miniature / "new.py").unlink()
    shutil.rmtree(miniature / "models/adapter")
    assert main(["--sign", "--private-key", "own.pem"]) == 2
    assert "models/adapter is not here: `dvc pull`" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        "--sign", "--check", "--sign --check", "--private-key k", "--public-key k", "--sigstore",
        "--sign --private-key k --sigstore", "--check --sigstore", "--check --sigstore --issuer u",
        "--check --public-key k --identity me", "--sign --sigstore --public-key k",
    ],
)  # fmt: skip
def test_options_that_contradict_one_another(
    options: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(options.split())
    assert "--" in capsys.readouterr().err


def test_missing_package_says_how_to_install_it(
    signed: Path, check: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("model_signing")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Hidden(), *sys.meta_path])
    code, said = check()
    assert code == 2
    assert "signatures need model_signing, which is not installed: `make install-tools`" in said


class Hidden:
    """Lets model-signing be not installed."""

    def find_spec(self, name: str, *_: object) -> None:
        if name.startswith("model_signing"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name.partition(".")[0])


def test_sigstore_without_a_network(
    signed: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    # The real service is never asked: all that can be tried here is that it is not to be had.
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert main(["--sign", "--sigstore"]) == 2
    assert "Sigstore could not be used" in capsys.readouterr().err
    before = "--check --sigstore --identity me@example.org --issuer https://example.org"
    assert main(before.split()) == 2
    assert "no signature: it is not a whole Sigstore bundle" in capsys.readouterr().err
