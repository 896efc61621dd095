"""dvc.yaml is read as DVC reads it, without DVC; what is not known to mean the same is refused."""

import ast
import shutil
from pathlib import Path

import pytest

from testing.places import ROOT
from tests.tools.test_rendering import RECIPES
from tools.rendering import render
from verdict.core.errors import VerdictError
from verify.description import Described, plain_path, read_description

PARAMS = """\
models: {base: {folder: models/base, small: true, rate: 5e-05}, other: {folder: models/o}}
none: {}
train: {seed: 7}
list: [1, 2]
"""


def read_by_dvc(root: Path) -> dict[str, Described]:
    from dvc.dependency import ParamsDependency
    from dvc.repo import Repo

    described = {}
    with Repo.init(str(root), no_scm=True) as repo:
        for stage in repo.index.stages:
            params = [dep for dep in stage.deps if isinstance(dep, ParamsDependency)]
            described[stage.name] = Described(
                stage.cmd,
                frozenset(dep.def_path for dep in stage.deps if dep not in params),
                frozenset(key for dep in params for key in dep.params),
                {out.def_path: out.use_cache for out in stage.outs},
            )
    return described


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_committed_pipeline_is_read_as_dvc_reads_it(recipe: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    (tmp_path / "params.yaml").write_text(render(RECIPES[recipe]), "utf-8")
    described = read_description(tmp_path)
    assert {"train", "evaluate@tuned", "report"} <= described.keys()
    assert described == read_by_dvc(tmp_path)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "params.yaml").write_text(PARAMS)
    return tmp_path


def test_every_form_that_is_known_is_read_as_dvc_reads_it(project: Path) -> None:
    text = """\
    stages:
      none: {foreach: "${none}", do: {cmd: "true"}}
      build:
        foreach: ${models}
        do:
          desc: Build ${key}
          cmd: build ${key} ${item.folder} --seed ${train.seed}
          deps: ["${item.folder}", code.py, code.py]
          params: ["models.${key}", train.seed]
          outs: ["out/${key}", "kept/${key}": {cache: false, persist: true}]
          metrics: ["${key}.json": {cache: false}]
          plots: ["${key}.csv": {x: step, cache: true}]
      use: {cmd: "use ${models.base.small} ${models.base.rate} $HOME", frozen: true}
    plots: [out/base: {x: step}]
    """
    (project / "dvc.yaml").write_text(text)
    described = read_description(project)
    assert described["use"].cmd == "use true 5e-05 $HOME"
    assert described["build@base"] == Described(
        "build base models/base --seed 7",
        frozenset({"models/base", "code.py"}),
        frozenset({"models.base", "train.seed"}),
        {"out/base": True, "kept/base": False, "base.json": False, "base.csv": True},
    )
    assert described.keys() == {"build@base", "build@other", "use"}
    assert described == read_by_dvc(project)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("vars: [{a: 1}]", "dvc.yaml, dvc.yaml: vars: this form is not known to verify"),
        ("stages: {a: {matrix: {x: [1]}, cmd: c}}", "dvc.yaml, a: matrix: this form is not known"),
        ("stages: {a: {cmd: c, wdir: data}}", "dvc.yaml, a: wdir"),
        ("stages: {a: {cmd: [b, c]}}", "dvc.yaml, a.cmd: ['b', 'c']: this form is not known"),
        ("stages: {a: {deps: [b]}}", "dvc.yaml, a.cmd: None"),
        ("stages: {a: {foreach: [1, 2], do: {cmd: c}}}", "dvc.yaml, a.foreach: [1, 2]"),
        ("stages: {a: {foreach: '${list}', do: {cmd: c}}}", "${list} of a.foreach: [1, 2]"),
        ("stages: {a: {foreach: '${models}', cmd: c}}", "dvc.yaml, a: cmd: this form"),
        ("stages: {a: {foreach: '${models}', do: [c]}}", "dvc.yaml, a@base: ['c']"),
        ("stages: {a: {cmd: c, params: [other.yaml: [b]]}}", "a.params: {'other.yaml': ['b']}"),
        ("stages: {a: {cmd: 'c ${train}'}}", "a: ${train}, which has several values"),
        ("stages: {a: {cmd: 'c ${train[seed]}'}}", "a: ${train[seed]}: this form is not known"),
        ("stages: {a: {cmd: 'c \\${HOME}'}}", "with a backslash"),
        ("stages: {a: {cmd: 'c ${train.sead}'}}", "a: ${train.sead} is not in params.yaml; add"),
        ("stages: {a: {cmd: c, outs: [b: {cache: maybe}]}}", "a.outs, b.cache: 'maybe'"),
        ("stages: {a: {cmd: c, outs: [b], metrics: [b]}}", "a.metrics: b again"),
        ("stages: {a: {cmd: c, outs: b}}", "dvc.yaml, a.outs: 'b': this form is not known"),
        ("stages: {a: {cmd: c, outs: [../b]}}", "dvc.yaml, a.outs: '../b' is no path in the"),
        ("stages: {a: {cmd: c, deps: ['s3://b/c']}}", "a.deps: 's3://b/c' is no path in the"),
        ("stages: {a: {cmd: c, deps: ['${train.seed}']}}", "a.deps: 7 is no path in the project"),
        (
            "stages: {a@base: {cmd: c}, a: {foreach: '${models}', do: {cmd: c}}}",
            "a@base: is there twice",
        ),
        ("- stages", "dvc.yaml, dvc.yaml: ['stages']: this form is not known"),
        ("stages: [", "dvc.yaml, line 1, is not valid YAML"),
    ],
)
def test_any_other_form_is_refused_by_name(project: Path, text: str, said: str) -> None:
    (project / "dvc.yaml").write_text(text)
    with pytest.raises(VerdictError) as refused:
        read_description(project)
    assert said in str(refused.value)


@pytest.mark.parametrize("name", ["dvc.yaml", "params.yaml"])
def test_a_file_that_is_absent_is_named(project: Path, name: str) -> None:
    (project / "dvc.yaml").write_text("stages: {}")
    (project / name).unlink()
    with pytest.raises(VerdictError, match=f"{name} cannot be read"):
        read_description(project)


@pytest.mark.parametrize(
    "path", ["", ".", "..", "../a", "a/../../b", "/a", "./a", "a/", "a//b", "a\0", 7, None]
)
def test_a_path_means_one_thing_and_lies_in_the_project(path: object) -> None:
    with pytest.raises(VerdictError, match="is no path in the project"):
        plain_path(path, "dvc.lock")
    assert plain_path("..a/b", "dvc.lock") == "..a/b"
    assert plain_path("/local/data", "dvc.lock", outside=True) == "/local/data"


def test_the_proof_needs_no_module_of_dvc() -> None:
    imported = {
        name
        for folder in ("verify", "tools/publish")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        for name in _modules(node)
    }
    assert {"tools", "verify"} <= imported
    assert {name for name in imported if name.startswith("dvc")} == set()


def _modules(node: ast.AST) -> list[str]:
    """Return the topmost packages that a statement imports."""
    names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    return [name.partition(".")[0] for name in names]
