"""What is collected to be published, and which project has nothing that may be."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.report.terms import GEMMA
from tests.tools.test_publish import NAME, SENT, names
from tests.verify.miniature import SIGNATURE, git, write_keys
from tools.publish.__main__ import main
from tools.publish.files import clean_commit, collect, removed
from tools.publish.terms import passed_on
from verdict.core import yaml12
from verdict.core.errors import VerdictError
from verdict.core.files import write_json
from verdict.core.paths import CARD
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


def with_gemma(root: Path, *, terms: bool = True) -> None:
    """Let the base be Gemma from a GGUF file, whose terms lie beside it."""
    values = yaml12.load_yaml((root / "params.yaml").read_bytes(), "params.yaml")
    gguf = {
        "addresses": ["a.gguf"],
        "sha256": "0" * 64,
        "chat_template": None,
        "terms": [{"address": "https://a.org/TERMS.html", "sha256": None}],
    }
    base = {"name": "google/gemma-3-270m", "revision": None, "gguf": gguf}
    values["models"] = {"base": base, "reference": base}
    values["terms"]["models"] = {"google/gemma-3-270m": GEMMA.model_dump()} if terms else {}
    (root / "params.yaml").write_text(yaml12.dump_yaml(values))


def test_what_the_terms_of_the_base_ask_for_goes_along(miniature: Path, tmp_path: Path) -> None:
    assert passed_on(miniature, tmp_path) == []
    with_gemma(miniature)
    with pytest.raises(VerdictError, match=r"models/base/TERMS.html, which has to go .*`dvc pull "):
        passed_on(miniature, tmp_path)
    (miniature / "models/base").mkdir()
    (miniature / "models/base/TERMS.html").write_text("Use it well.")
    notice, terms = passed_on(miniature, tmp_path)
    assert (notice.name, terms.name) == ("NOTICE", "terms/TERMS.html")
    assert notice.path.read_text() == f"Model google/gemma-3-270m:\n{GEMMA.notice}\n"
    assert terms.path.read_text() == "Use it well."
    listed = ["NOTICE", "terms/TERMS.html", "provenance.json", "theirs.txt"]
    assert removed(NAME, listed, []) == ["NOTICE", "provenance.json", "terms/TERMS.html"]


def test_nothing_is_published_without_a_licence(miniature: Path, tmp_path: Path) -> None:
    with_gemma(miniature, terms=False)
    said = (
        "Model google/gemma-3-270m: under which licence it may be used is not known. Nothing is "
        "published without: say it in params.yaml, terms.models.google/gemma-3-270m"
    )
    with pytest.raises(VerdictError, match=said):
        passed_on(miniature, tmp_path)
    text = (miniature / "params.yaml").read_text()
    (miniature / "params.yaml").write_text(text.replace("source: embedded", "source: files"))
    values = yaml12.load_yaml((miniature / "params.yaml").read_bytes(), "params.yaml")
    values["terms"]["data"] = None
    (miniature / "params.yaml").write_text(yaml12.dump_yaml(values))
    with pytest.raises(VerdictError, match=r"Data set: under which licence .* terms.data, and run"):
        passed_on(miniature, tmp_path)


def test_a_card_without_a_licence_is_not_published(
    miniature: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = miniature / "metrics/report/model_card.md"
    card.write_text("---\ntags: [medical]\n---\n# Model\n")
    subprocess.run([sys.executable, "-m", "dvc", "commit", "--force", "--quiet"], check=True)
    git(miniature, "commit", "--quiet", "--all", "-m", "A card of before")
    with pytest.raises(SystemExit) as ended:
        main(["--repo", NAME, "--dry-run"])
    assert str(ended.value).startswith(f"publish: {CARD} names no licence in its header")
