"""A model by address: `dvc repro` brings a GGUF file, or leaves what was there."""

from collections.abc import Callable
from pathlib import Path

import pytest

from testing.gguf import untrained, write_gguf
from testing.project import Project, ran
from verdict.core.files import sha256_of

STAGE = "fetch_model@base"


@pytest.fixture
def project(clone: Callable[[str], Project], tmp_path: Path) -> Project:
    """A clone whose base is a tiny GGUF file in two parts, with the terms of its licence."""
    project, published = clone("gguf"), tmp_path / "published"
    published.mkdir()
    whole = write_gguf(tmp_path / "tiny.gguf", *untrained())
    data = whole.read_bytes()
    (published / "tiny.gguf.part0").write_bytes(data[:5000])
    (published / "tiny.gguf.part1").write_bytes(data[5000:])
    (published / "TERMS.txt").write_text("Use it well.\n")
    gguf = {
        "addresses": [str(published / f"tiny.gguf.part{i}") for i in range(2)],
        "sha256": sha256_of(whole),
        "chat_template": "gemma",
        "terms": [{"address": str(published / "TERMS.txt"), "sha256": None}],
    }
    base = {"name": "owner/tiny", "revision": None, "gguf": gguf}
    project.edit({("models", "base"): base})
    return project


def test_a_gguf_file_becomes_a_model(project: Project, tmp_path: Path) -> None:
    said = project.dvc("repro", STAGE)
    assert ran(said)[-1] == STAGE
    assert "the terms that its use is bound to are in TERMS.txt" in said
    base = project.root / "models/base"
    assert sorted(path.name for path in base.iterdir()) == [
        "TERMS.txt",
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "provenance.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert "up to date" in project.dvc("repro", STAGE)

    before = {path.name: sha256_of(path) for path in base.iterdir()}
    sha256 = ("models", "base", "gguf", "sha256")
    known = project.read("params.yaml")["models"]["base"]["gguf"]["sha256"]
    project.edit({sha256: "0" * 64})
    said = project.dvc("repro", STAGE, check=False)
    assert f"expected SHA-256 {'0' * 64} of the whole file, got {known}" in said
    left = [path for path in (project.root / "models").rglob("*") if path.is_file()]
    assert [path for path in left if path.name != ".gitignore"] == []

    project.edit({sha256: known})
    project.dvc("repro", STAGE)
    assert {path.name: sha256_of(path) for path in base.iterdir()} == before
