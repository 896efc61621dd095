"""A signature is checked: every way in which it, or a file, can be another."""

import base64
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.verify.miniature import SIGNATURE, git, write_keys
from verdict.core.errors import VerdictError
from verify.signature import claimed, key_signer, sign
from verify.statement import describe

pytestmark = pytest.mark.fault("forgeries")


def wrong(said: str) -> list[tuple[str, ...]]:
    words = ("DIFFERENT", "missing", "extra", "not here")
    return [tuple(line.split()[:2]) for line in said.splitlines() if line.startswith(words)]


def test_what_was_signed_holds(signed: Path, check: Callable) -> None:
    code, said = check()
    assert code == 0, said
    assert "Holds: the 15 files here are those signed." in said


def test_every_other_file_is_named(signed: Path, check: Callable) -> None:
    adapter = signed / "models/adapter"
    for name in ("adapter_model.safetensors", "tokenizer.json"):
        (adapter / name).unlink()
    (adapter / "adapter_model.safetensors").write_text("Weights")
    (adapter / "more.bin").write_text("x")
    (signed / "params.yaml").write_text("train:\n  seed: 1\n")
    (signed / "metrics/note.txt").unlink()
    code, said = check()
    assert code == 1
    assert wrong(said) == [
        ("DIFFERENT", "models/adapter/adapter_model.safetensors"), ("DIFFERENT", "params.yaml"),
        ("missing", "metrics/note.txt"), ("missing", "models/adapter/tokenizer.json"),
        ("extra", "models/adapter/more.bin"),
    ]  # fmt: skip
    assert "Does not hold: 5 files are not as signed." in said


def test_what_lies_beside_the_published_numbers_is_named(signed: Path, check: Callable) -> None:
    for path in (
        "metrics/better.json", "metrics/report/summary.md", "data/predictions/tuned.parquet",
        "metrics/environment.json", "metrics/.gitignore",
    ):  # fmt: skip
        (signed / path).parent.mkdir(parents=True, exist_ok=True)
        (signed / path).write_text("Accuracy 0.999")
    code, said = check()
    assert code == 1
    # What git and each training leave there is nobody's claim.
    assert wrong(said) == [
        ("extra", "data/predictions/tuned.parquet"), ("extra", "metrics/better.json"),
        ("extra", "metrics/report/summary.md"),
    ]  # fmt: skip
    assert "Does not hold: 3 files are not as signed." in said


def test_code_edited_since_the_commit_is_named(signed: Path, check: Callable) -> None:
    (signed / ".gitignore").open("a").write("x\n")
    code, said = check()
    assert (code, wrong(said)) == (1, [("DIFFERENT", ".gitignore")])


def test_what_was_not_pulled_is_said_and_does_not_fail(signed: Path, check: Callable) -> None:
    shutil.rmtree(signed / "data/splits")
    code, said = check()
    assert code == 0
    assert wrong(said) == [("not", "here")]
    assert "`dvc pull data/splits`" in said
    assert "outputs that are not here were not checked" in said
    shutil.rmtree(signed / "models/adapter")
    (signed / "metrics/train.json").unlink()
    code, said = check()
    assert code == 2
    assert "none of the data, models and predictions is here: `dvc pull`" in said


@pytest.mark.parametrize(
    ("left_out", "named"),
    [("models/adapter", "models/adapter"), ("params.yaml", "params.yaml")],
)
def test_a_statement_that_says_less_than_the_commit_makes(
    miniature: Path, check: Callable, left_out: str, named: str
) -> None:
    write_keys()
    said = describe(miniature)
    less = replace(
        said,
        files={path: one for path, one in said.files.items() if not path.startswith(left_out)},
        outputs=[path for path in said.outputs if path != left_out],
        cached=[path for path in said.cached if path != left_out],
    )
    sign(less, key_signer(Path("own.pem")), SIGNATURE)
    code, output = check()
    assert code == 1
    assert f"unsigned  {named}\n" in output


def change_payload(statement: Path) -> None:
    bundle = json.loads(statement.read_text())
    text = base64.b64decode(bundle["dsseEnvelope"]["payload"]).replace(b"numpy", b"nunpy")
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(text).decode()
    statement.write_text(json.dumps(bundle))


def drop_signature(statement: Path) -> None:
    bundle = json.loads(statement.read_text())
    bundle["dsseEnvelope"]["signatures"] = []
    statement.write_text(json.dumps(bundle))


def empty_signature(statement: Path) -> None:
    bundle = json.loads(statement.read_text())
    bundle["dsseEnvelope"]["signatures"][0]["sig"] = ""
    statement.write_text(json.dumps(bundle))


def truncate(statement: Path) -> None:
    statement.write_bytes(statement.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.unlink(), "verification.sig is not here: nobody has signed this"),
        (truncate, "verification.sig is damaged, or no signature"),
        (lambda path: path.write_text("{}"), "verification.sig is damaged, or no signature"),
        (lambda path: path.write_bytes(b"\xff\x00"), "verification.sig is damaged"),
        (change_payload, "verification.sig was changed after it was signed"),
        (drop_signature, "nobody has signed verification.sig: its list of signatures is empty"),
        (empty_signature, "nobody has signed verification.sig: its list of signatures is empty"),
    ],
    ids=["unsigned", "truncated", "empty", "binary", "changed", "removed", "empty signature"],
)
def test_no_valid_signature(
    signed: Path, check: Callable, damage: Callable[[Path], None], said: str
) -> None:
    damage(SIGNATURE)
    code, output = check()
    assert code == 2
    assert output.startswith(f"Could not verify: {said}"), output


def test_signature_of_another_key(signed: Path, check: Callable) -> None:
    write_keys(name="other")
    code, said = check("other.pub.pem")
    assert code == 2
    assert "verification.sig is not signed with other.pub.pem: Key mismatch" in said


def test_statement_about_another_commit(signed: Path, check: Callable) -> None:
    old = git(signed, "rev-parse", "HEAD").strip()
    git(signed, "commit", "--quiet", "--allow-empty", "-m", "Later")
    code, said = check()
    assert code == 2
    assert f"the statement is about commit {old}, and here is " in said
    assert f"`git checkout {old}`" in said


def test_signature_of_something_else(signed: Path, check: Callable) -> None:
    from model_signing import signing

    config = signing.Config().use_elliptic_key_signer(private_key="own.pem")
    config.sign(signed / "models/adapter", SIGNATURE)
    code, said = check()
    assert code == 2
    assert "what is signed is no statement of `verify --sign`" in said
    with pytest.raises(VerdictError, match="what is signed is no statement of"):
        claimed(SIGNATURE)


def test_private_key_given_as_public(signed: Path, check: Callable) -> None:
    code, said = check("own.pem")
    assert code == 2
    assert "own.pem is no public key" in said
