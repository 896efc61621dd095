"""The Dockerfile, what its build may see, and the scripts beside it."""

import re
import subprocess
import sys
from pathlib import Path

from docker.utils.build import exclude_paths

from testing.places import ROOT

DOCKERFILE = ROOT / "Dockerfile"

#: What lies about in a work tree and must never reach a build.
OUTSIDE = (
    ".env",
    ".env.local",
    "key.pem",
    "service-account-1.json",
    ".netrc",
    ".dvc/config.local",
    ".dvc/cache/files/md5/ab/cdef",
    ".git/config",
    ".git/hooks/post-checkout",
    ".git/logs/HEAD",
    ".git/FETCH_HEAD",
    ".checkpoints/0123/checkpoint-4/model.safetensors",
    ".venv/bin/python",
    "data/raw/archive.zip",
    "models/adapter/adapter_model.safetensors",
    "models/base/model.safetensors",
    "mlflow.db",
    "mlruns/1/meta.yaml",
    "nested/folder/.env",
    "notes.txt",
)
HISTORY = (
    ".git/HEAD",
    ".git/objects/ab/cdef",
    ".git/objects/pack/pack-1.pack",
    ".git/packed-refs",
    ".git/refs/heads/main",
    ".git/shallow",
)


def instructions() -> list[str]:
    """Return the Dockerfile's instructions, one string each, without comments."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text("utf-8"), flags=re.MULTILINE)
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def test_hadolint_finds_nothing() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [linter, "--failure-threshold", "warning", str(DOCKERFILE)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_the_build_sees_the_history_and_nothing_else(tmp_path: Path) -> None:
    for name in (*OUTSIDE, *HISTORY):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("canary")
    patterns = [
        line
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    seen = {name for name in exclude_paths(str(tmp_path), patterns) if (tmp_path / name).is_file()}
    # The client adds these two, whatever is excluded.
    assert seen - {"Dockerfile", ".dockerignore"} == set(HISTORY)


def test_no_secret_is_an_argument_or_a_variable_of_the_image() -> None:
    names = [
        name
        for line in instructions()
        if line.startswith(("ARG", "ENV"))
        for name in re.findall(r"([A-Z_]+)(?:=|$)", line.split(maxsplit=1)[1])
    ]
    assert {"BASE_IMAGE", "EXTRAS", "HOME"} <= set(names)
    assert not [name for name in names if re.search("TOKEN|KEY|SECRET|PASS|CREDENTIAL", name)]


def test_every_image_ends_as_a_user_with_a_number_that_is_not_root() -> None:
    stages: dict[str, str] = {}
    for line in instructions():
        words = line.split()
        if words[0] == "FROM":
            name = words[-1]
            stages[name] = stages.get(words[1], "root")
        elif words[0] == "USER":
            stages[name] = words[1]
    images = {name: stages[name] for name in ("verdict", "mlflow", "test")}
    assert list(stages)[-1] == "verdict"
    assert all(re.fullmatch("[1-9][0-9]*:[1-9][0-9]*", user) for user in images.values()), images


def test_the_base_is_an_argument_and_no_tag_moves() -> None:
    starts = [line.split()[1] for line in instructions() if line.startswith("FROM")]
    own = {line.split()[-1] for line in instructions() if line.startswith("FROM")}
    assert [start for start in starts if start not in own] == ["${BASE_IMAGE}"]
    assert "latest" not in DOCKERFILE.read_text("utf-8")


def test_the_entry_is_started_without_a_shell() -> None:
    starts = [line for line in instructions() if line.startswith(("ENTRYPOINT", "CMD"))]
    assert starts
    assert all("[" in line for line in starts)
    for line in starts:
        if line.startswith("ENTRYPOINT"):
            assert line.split('"')[1] == "/usr/bin/tini"


def test_every_file_that_the_build_takes_from_the_commit_is_there() -> None:
    for line in instructions():
        for name in re.findall(r"/opt/verdict/project/([\w./*-]+)", line):
            assert list(ROOT.glob(name)), name
