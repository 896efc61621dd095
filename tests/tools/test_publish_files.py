"""What is collected to be published, and which project has nothing that may be."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.tools.test_publish import NAME, SENT, names
from tests.verify.miniature import SIGNATURE, write_keys
from tools.publish.__main__ import main
from tools.publish.files import clean_commit, collect
from verdict.core.errors import VerdictError
from verdict.core.files import write_json
from verify.signature import key_signer, sign
from verify.statement import describe


@pytest.mark.parametrize(
    "name",
    [
        ".env", "token", "test.parquet", "data/test.csv", "training_args.bin", "optimizer.pt",
        "additional_chat_templates/x.py", "checkpoint/adapter_model.safetensors",
    ],
)  # fmt: skip
def test_foreign_files_in_the_adapter_are_refused(miniature: Path, name: str) -> None:
    planted = miniature / "models/adapter" / name
    planted.parent.mkdir(exist_ok=True)
    planted.write_text("x")
    with pytest.raises(VerdictError, match=f"models/adapter/{name} is no part of an adapter"):
        collect(miniature, "")
    # DVC notices, too.
    with pytest.raises(VerdictError, match="`dvc status` is not clean: train would run"):
        clean_commit(miniature)


def test_edits_are_refused(miniature: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (miniature / "params.yaml").write_text("train:\n  seed: 1\n")
    with pytest.raises(SystemExit) as ended:
        main(["--repo", NAME])
    assert "params.yaml is not as committed" in str(ended.value)


def test_missing_card_and_weights_are_named(miniature: Path) -> None:
    (miniature / "metrics/report/model_card.md").unlink()
    with pytest.raises(VerdictError, match="the model card, is not here: `dvc repro report`"):
        collect(miniature, "")
    (miniature / "metrics/report/model_card.md").write_text("card")
    (miniature / "models/adapter/adapter_model.safetensors").unlink()
    with pytest.raises(VerdictError, match="holds no weights: `dvc pull models/adapter`"):
        collect(miniature, "")


def test_a_verification_goes_along_if_it_is_about_this_commit(miniature: Path) -> None:
    commit = clean_commit(miniature)
    found = miniature / "verification.json"
    write_json(found, {"commit": commit, "holds": True})
    assert names(collect(miniature, commit)) == SENT | {"verification.json"}
    for other in ({"commit": "f" * 40, "holds": True}, {"commit": commit, "holds": False}, []):
        write_json(found, other)
        with pytest.raises(VerdictError, match=r"verification.json is not about the commit"):
            collect(miniature, commit)


def test_a_signature_goes_along_if_it_is_about_what_is_published(signed: Path) -> None:
    commit = clean_commit(signed)
    assert names(collect(signed, commit)) == SENT | {"verification.sig"}
    with pytest.raises(VerdictError, match=r"verification.sig is not about the commit"):
        collect(signed, "f" * 40)
    true = SIGNATURE.read_text()
    bundle = json.loads(true)
    bundle["dsseEnvelope"]["signatures"] = []
    for text, said in (
        ("damaged", r"verification.sig is damaged, or no signature"),
        ('{"dsseEnvelope": {"signatures": [{"sig": "x"}]}}', r"verification.sig is damaged"),
        (json.dumps(bundle), r"nobody has signed .*verification.sig"),
    ):
        SIGNATURE.write_text(text)
        with pytest.raises(VerdictError, match=said):
            collect(signed, commit)


def test_a_signature_about_other_files_is_not_published(miniature: Path) -> None:
    write_keys()
    here = describe(miniature)
    path = "models/adapter/adapter_model.safetensors"
    other = replace(here, files=here.files | {path: "0" * 64})
    sign(other, key_signer(Path("own.pem")), SIGNATURE)
    said = rf"verification.sig is about other files than those here \({path}\): sign again"
    with pytest.raises(VerdictError, match=said):
        collect(miniature, here.commit)


@pytest.mark.parametrize("name", ["name", "a/b/c", "a b/c", "https://hf.co/a/b", "a/--b", ""])
def test_malformed_names(miniature: Path, name: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--repo", name])
    assert f"publish: {name!r} is no OWNER/NAME on the hub" in str(ended.value)
    assert str(ended.value).count(".") == str(ended.value).rstrip(".").count(".") + 1


def test_a_project_in_which_dvc_cannot_write_says_so(miniature: Path) -> None:
    shutil.rmtree(miniature / ".dvc/tmp")
    # The tests may run as root, who may write everywhere, but not below a file.
    (miniature / ".dvc/tmp").write_text("")
    with pytest.raises(SystemExit) as ended:
        main(["--repo", NAME, "--dry-run"])
    said = str(ended.value)
    assert said.startswith(f"publish: `dvc status --json` fails in {miniature}: unexpected error")
    assert said.endswith(f"{miniature}/.dvc/tmp'.")
