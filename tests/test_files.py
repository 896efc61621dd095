from pathlib import Path

import pytest

from verdict.files import replacing, sha256_of_tree, write_csv, write_json


def test_a_failed_write_leaves_the_old_file_and_no_partial(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    write_json(path, {"a": 1})
    with pytest.raises(RuntimeError), replacing(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_text() == '{\n  "a": 1\n}\n'
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    for content in ("old", "new"):
        with replacing(tmp_path / "out") as partial:
            partial.mkdir()
            (partial / content).write_text(content)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_failed_folder_leaves_the_old_one(tmp_path: Path) -> None:
    with replacing(tmp_path / "out") as partial:
        partial.mkdir()
        (partial / "old").write_text("old")
    with pytest.raises(RuntimeError), replacing(tmp_path / "out") as partial:
        partial.mkdir()
        raise RuntimeError
    assert (tmp_path / "out" / "old").read_text() == "old"


def test_json_refuses_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"a": float("nan")})
    assert not (tmp_path / "x.json").exists()


def test_the_hash_of_a_tree_sees_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    first = sha256_of_tree(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    second = sha256_of_tree(tmp_path)
    (tmp_path / "b").write_text("2")
    assert len({first, second, sha256_of_tree(tmp_path)}) == 3


def test_csv_has_unix_line_ends(tmp_path: Path) -> None:
    write_csv(tmp_path / "x.csv", ("a", "b"), [(1, "x,y")])
    assert (tmp_path / "x.csv").read_bytes() == b'a,b\n1,"x,y"\n'
