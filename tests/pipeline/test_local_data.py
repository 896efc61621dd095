"""Local data are a dependency: an edit is seen, by ``dvc`` itself, wherever experiments run."""

import shutil
from collections.abc import Callable
from pathlib import Path

from testing.project import Project, ran
from tools.rendering import render

_ROWS = "left,right,label\n" + "".join(
    f"patient {n // 3} of ward {n % 3},ward {n % 3} patient {n // 3},{n % 2}\n" for n in range(90)
)


def test_an_edit_of_local_data_is_seen(clone: Callable[[str], Project], tmp_path: Path) -> None:
    project, pairs = clone("local"), tmp_path / "my pairs"
    pairs.mkdir()
    (pairs / "train.csv").write_text(_ROWS)
    recipe = project.root / "recipes/embedded/entity-resolution-generative.yaml"
    (project.root / "params.yaml").write_text(render(recipe), "utf-8")
    address = ("fetch", "files", "pairs", "address")
    layout = ("dataset", "layout")
    project.edit({("fetch", "source"): "files", address: str(pairs), layout: "columns"})
    told = project.run("python", "-m", "tools.recipe", "check", check=False)
    assert told.returncode == 1
    assert f"that holds all local addresses: {pairs}." in told.stdout
    assert "fetch.local is stages/fetch.py" in project.dvc("repro", "fetch", check=False)

    project.edit({("fetch", "local"): str(pairs)})
    project.dvc("repro", "extract")
    project.commit("Fetch local data")
    assert "Data and pipelines are up to date" in project.dvc("status", "fetch", "extract")
    assert ran(project.dvc("exp", "run", "--temp", "-S", "extract.size=32", "extract")) == [
        "check",
        "extract",
    ]

    (pairs / "train.csv").write_text(_ROWS.replace(",1\n", ",0\n"))
    assert "my pairs" in project.dvc("status", "fetch", "extract")
    assert ran(project.dvc("repro", "extract")) == ["fetch", "extract"]
    assert ",1\n" not in (project.root / "data/raw/pairs/train.csv").read_text()

    # Where the data are not, what was made of them is enough.
    shutil.rmtree(pairs)
    assert ran(project.dvc("repro", "--allow-missing", "extract")) == []
