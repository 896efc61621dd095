"""What DVC writes into params.yaml is what a stage reads, and what DVC records."""

import datetime as dt
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.utils.serialize import dump_yaml as dvc_dump
from dvc.utils.serialize import load_yaml as dvc_load
from dvc.utils.serialize import modify_yaml
from dvc.utils.serialize import parse_yaml as dvc_parse
from hypothesis import example, given, settings
from hypothesis import strategies as st

from testing.places import ROOT
from verdict.core.errors import VerdictError
from verdict.core.yaml12 import dump_yaml, load_yaml
from verdict.params import Params
from verdict.params.file import read_params

#: Text that YAML 1.1 or 1.2 takes for something else, if it stands without quotes.
LOOKALIKES = [
    "no", "No", "yes", "on", "off", "y", "~", "null", "010", "0o17", "0x1f", "1_000", "12:30",
    "1e-4", "5e-05", "1E5", ".inf", "2020-01-01", "=", "<<", "", " a", "a: b", "# a", "- a", "@",
]  # fmt: skip
NUMBERS = [5e-05, 1e-4, 1e-300, 1e22, 0.1, 1.0, 10**15, 0, -3]
TEXT = st.sampled_from(LOOKALIKES) | st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp", "Cn"),
                  exclude_characters="\ufeff")
)  # fmt: skip
SCALARS = (
    TEXT | st.booleans() | st.none() | st.integers() | st.floats(allow_nan=False)
    | st.sampled_from(NUMBERS)
)  # fmt: skip
VALUES = st.dictionaries(
    TEXT,
    st.recursive(SCALARS, lambda one: st.lists(one) | st.dictionaries(TEXT, one), max_leaves=8),
    min_size=1,
)


@given(VALUES)
def test_what_is_written_is_read_back_to_the_same_value(values: dict[str, Any]) -> None:
    assert load_yaml(dump_yaml(values), "x") == values


@given(VALUES)
def test_both_readers_agree_on_what_either_writes(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]
) -> None:
    path = tmp_path_factory.mktemp("yaml") / "params.yaml"
    dvc_dump(str(path), values)
    assert load_yaml(path.read_bytes(), path) == dvc_load(str(path)) == values
    path.write_bytes(dump_yaml(values).encode("utf-8"))
    assert dvc_load(str(path)) == values


#: Of these a params file may be made, right or wrong.
PIECES = st.sampled_from([
    *LOOKALIKES, "a", "b", ": ", "a: ", "b: ", "\n", "\n  ", "\n- ", "- ", "?", "[", "]", "{", "}",
    ", ", "'", '"', "&x ", "*x", "<<: ", "| \n", "!!int ", "!!float ", "!!str ", "!!binary ",
    "!!set ", "!!omap ", "!!timestamp ", "!x ", "!", "%YAML 1.1\n", "%YAML 1.2\n", "%YAML 1.3\n",
    "> \n", "---\n", "...\n", "\t", "\r\n", "\x85", "\ufeff", "\\", "é", "_", "-", "+", "0",
])  # fmt: skip


def read_by(reader: Any, text: str) -> str | None:
    """Return what a reader gets, its types included (1 is not 1.0 nor true); None if it refuses."""
    refusal = VerdictError if reader is load_yaml else Exception
    try:
        # DVC takes nothing for an empty mapping.
        return repr(reader(text, "x") or {})
    except refusal:
        return None


@pytest.mark.filterwarnings("ignore::ruamel.yaml.error.MantissaNoDotYAML1_1Warning")
@settings(max_examples=500)
@given(st.lists(PIECES, max_size=9).map("".join))
@example("a: 1\nb: 2\na: 3\n")
@example("%YAML 1.1\n---\na: [no, 010, 1_000, 12:30, 5e-05]\n")
@example("%YAML 1.3\n---\na: 1\n")
def test_both_readers_get_the_same_or_both_refuse(text: str) -> None:
    assert read_by(load_yaml, text) == read_by(dvc_parse, text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("yes", "yes"), ("on", "on"), ("12:30", "12:30"), ("-.5e1", "-.5e1"),
        ("010", 10), ("0o10", 8), ("0x10", 16), ("1_000", 1000), ("+1", 1), ("+1.5", 1.5),
        (".5", 0.5), ("1.", 1.0), ("1e3", 1000.0), ("5e-05", 5e-05), ("1E-8", 1e-08),
        ("1e+22", 1e22), ("1_0.5", 10.5), ("~", None), ("", None), ("true", True), ("FALSE", False),
        ("2020-01-01", dt.date(2020, 1, 1)), (".inf", math.inf),
    ],
)  # fmt: skip
def test_what_stands_without_quotes(tmp_path: Path, text: str, value: object) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(f"key: {text}\n", "utf-8")
    read = load_yaml(path.read_bytes(), path), dvc_load(str(path))
    assert repr(read) == repr(({"key": value}, {"key": value}))


def test_a_file_that_says_it_is_older_is_read_so_as_by_dvc(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("%YAML 1.1\n---\na: [no, 010, 12:30]\nb: 1\n", "utf-8")
    assert load_yaml(path.read_bytes(), path) == {"a": [False, 8, 750], "b": 1}
    with modify_yaml(str(path)) as values:  # as `dvc exp run -S b=2`, which drops the first line
        values["b"] = 2
    assert "%YAML" not in path.read_text("utf-8")
    assert load_yaml(path.read_bytes(), path) == {"a": [False, 8, 750], "b": 2}


@pytest.mark.parametrize(
    "path",
    [ROOT / name for name in ("dvc.yaml", "params.yaml")]
    + sorted((ROOT / "recipes").rglob("*.yaml")),
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_what_is_committed_means_the_same_to_every_reader(path: Path) -> None:
    """So that tests may read it with PyYAML, and an editor does not mislead.

    This does not hold for what DVC writes: of ``eval_strategy: no`` in dvc.lock PyYAML makes false.
    """
    assert repr(load_yaml(path.read_bytes(), path)) == repr(yaml.safe_load(path.read_bytes()))


@pytest.mark.fault("parameters")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", 'line 3, .*duplicate key "a"'),
        ("a: 1\nb: !x 1\n", "line 2, .*tag '!x'"),
        ("a: 1\nb: [\n", "line 3, "),
        ("a: 1\nb: \x07\n", "line 2, .*unacceptable character"),
        ("a: 1\nb: 2020-13-45\n", "line 2, .*month"),
        ("a: 1\nb: !!int x\n", "line 2, "),
        ("a: 1\n---\nb: 1\n", "line 2, .*another document"),
        (b"a: 1\nb: \xff\n", "line 2, .*UTF-8"),
        (b"a: 1\nb: \x07\n", "line 2, .*unacceptable character"),
        ("# a\n%YAML 1.3\n---\na: 1\n", "line 2, .*no version but 1.1 and 1.2"),
        ("%YAML 2.0\n---\na: 1\n", "line 1, .*version 1.* is required"),
    ],
)
def test_what_is_no_yaml_is_named_with_its_line(text: str | bytes, said: str) -> None:
    with pytest.raises(VerdictError, match=f"^there.yaml, {said}"):
        load_yaml(text, "there.yaml")


def doubled(times: int) -> str:
    """Return a document in which every line stands for twice the values of the line before."""
    return "a0: &a0 [x]\n" + "".join(
        f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, times)
    )


@pytest.mark.fault("parameters")
def test_aliases_may_repeat_values_but_not_without_end() -> None:
    assert load_yaml(doubled(3), "x")["a2"] == [[["x"], ["x"]], [["x"], ["x"]]]
    for text in (doubled(40), "a: &a [*a]\n", "a: &a {b: *a}\n", f"x: 1\n{doubled(30)}"):
        with pytest.raises(VerdictError, match=r"^there\.yaml, line 1, is not valid YAML: its? "):
            load_yaml(text, "there.yaml")


def numbers(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, one in value.items():
        if isinstance(one, dict):
            yield from numbers(one, (*path, name))
        elif isinstance(one, int | float) and not isinstance(one, bool):
            yield (*path, name)


def test_every_number_is_read_as_dvc_writes_and_records_it(
    params: dict[str, Any], tmp_path: Path
) -> None:
    """Each number in the forms 5e-05 or 1e+22, which YAML 1.1 reads as text."""
    path, found = tmp_path / "params.yaml", list(numbers(params))
    assert len(found) > 40
    for keys in found:
        section = params
        for key in keys[:-1]:
            section = section[key]
        section[keys[-1]] = 5e-05 if isinstance(section[keys[-1]], float) else 10**6
    dvc_dump(str(path), params)
    assert re.search(r"learning_rate: 5e-05\n", path.read_text("utf-8"))
    assert load_yaml(path.read_bytes(), path) == dvc_load(str(path)) == params


@pytest.mark.parametrize("written", ["5e-05", "5E-5", "0.00005"])
def test_a_rate_may_be_written_with_an_exponent(
    params: dict[str, Any], tmp_path: Path, written: str
) -> None:
    params["train"]["learning_rate"] = 0.123
    path = tmp_path / "params.yaml"
    path.write_text(dump_yaml(params).replace("0.123", written), "utf-8")
    assert read_params(path).train.learning_rate == 5e-05


def test_the_answers_yes_and_no_survive_dvc(params: dict[str, Any], tmp_path: Path) -> None:
    params["format"] |= {"answers": {"yes": "Yes", "no": "No"}, "positive": "yes"}
    path = tmp_path / "params.yaml"
    dvc_dump(str(path), params)
    assert "no: No\n" in path.read_text("utf-8")
    read = read_params(path)
    assert read.format.answers == {"yes": "Yes", "no": "No"}
    assert Params(**load_yaml(dump_yaml(read.model_dump()), path)) == read
