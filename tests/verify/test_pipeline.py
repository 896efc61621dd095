"""The MD5 of files and folders is DVC's own."""

from pathlib import Path

from dvc_data.hashfile.hash import file_md5
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.tree import Tree

from verify.pipeline import Digester


def test_a_folder_has_the_hash_that_dvc_gives_it(tmp_path: Path) -> None:
    names = ("b.txt", "a/c.txt", "a.txt", "a-b/d", "ä/\U0001f600 x.csv", "Z", 'q"uote', "empty")
    tree = Tree()
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("" if name == "empty" else f"{name}\r\n", newline="")
        tree.add(tuple(name.split("/")), None, HashInfo("md5", file_md5(str(path))))
    tree.digest()
    found = Digester()(tmp_path)
    assert found is not None
    assert tree.hash_info is not None
    assert found.md5 == tree.hash_info.value
    assert found.files is not None
    assert found.files["b.txt"] == file_md5(str(tmp_path / "b.txt"))
