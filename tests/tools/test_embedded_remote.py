"""The embedded remote: what is in it is what dvc.lock names."""

import json
import subprocess
from pathlib import Path

import pytest

from tools.remote import embed
from verdict.core.errors import VerdictError
from verify.pipeline import digest_of_listing


def test_what_the_lock_names_stays_in_the_embedded_remote_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"a.csv": "a" * 32, "deep/b.csv": "b" * 32}
    folder, other = digest_of_listing(files), "c" * 32
    out = f"{{path: data/splits, md5: {folder}}}"
    (tmp_path / "dvc.lock").write_text(f"stages: {{split: {{outs: [{out}]}}}}")
    objects = tmp_path / ".dvc/embedded/files/md5"

    def put(md5: str, text: str) -> Path:
        path = objects / md5[:2] / md5[2:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    listing = [{"md5": md5, "relpath": name} for name, md5 in files.items()]
    named = [put(folder, "["), *(put(md5, "1") for md5 in files.values())]
    unnamed = put(other, "1")
    monkeypatch.chdir(tmp_path)
    pushed = subprocess.CompletedProcess([], 0)
    monkeypatch.setattr("tools.remote.subprocess.run", lambda *_, **__: pushed)
    with pytest.raises(VerdictError, match=r"the list of what is in data/splits, is damaged"):
        embed()
    assert unnamed.exists()
    put(folder, json.dumps(listing))
    assert "holds what dvc.lock names" in embed()
    assert all(path.exists() for path in named)
    assert not unnamed.exists()
