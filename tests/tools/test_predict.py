"""tools.predict: people's images and texts, asked about as the pipeline asks."""

import copy
import csv
import json
import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from testing.tiny import COMMITTED, Tiny
from tests.sources.servers import FileServer, serving
from tests.tools.tried import Run, lines, make_project, pictures, runner
from tools.predict import DISCLAIMER
from verdict.core.errors import VerdictError
from verdict.params import Params

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def project(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("predict") / "project", tiny)


@pytest.fixture
def run(project: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in the project's folder; torch is loaded here, so nothing is pinned."""
    return runner(project, monkeypatch)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return pictures(tmp_path / "pictures")


def test_a_person_reads_answer_probabilities_words_and_the_disclaimer(
    run: Run, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--image", folder / "0.png") == 0
    shown = capsys.readouterr().out
    assert f"{folder}/0.png" in shown
    for answer in ("Yes, this appears to be", "No, this does not appear"):
        assert answer in shown
    assert shown.count("%") == 2
    # A model that was moved at random writes no answer.
    assert "in words:" in shown
    assert "invalid: no answer can be read from the words" in shown
    assert shown.endswith(f"{DISCLAIMER}\n")


def test_a_damaged_image_is_named_and_the_others_are_answered(
    run: Run, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "linked").symlink_to(folder / "more", target_is_directory=True)
    assert run("--image", folder, "--output", tmp_path / "out.jsonl") == 1
    said = capsys.readouterr().err
    assert f"{folder}/4.png: does not decode: " in said
    assert f"{folder}: no images, and not asked about: 1 .txt, 1 linked folders" in said
    assert "6 of 7 answered" in said
    rows = lines((tmp_path / "out.jsonl").read_text())
    names = [str(Path(row["input"]).relative_to(folder)) for row in rows]
    assert names == ["0.png", "1.png", "3.png", "4.png", "5.png", "6.png", "more/2.png"]
    assert [row["error"] is None for row in rows] == [True] * 3 + [False] + [True] * 3
    for row in rows:
        assert (row["answer"] is None) == (row["error"] is not None)
        if row["error"] is None:
            assert sum(row["probabilities"].values()) == pytest.approx(1)
            assert row["answer"] == max(row["probabilities"], key=row["probabilities"].get)


def test_every_format_holds_the_same(run: Run, folder: Path, tmp_path: Path) -> None:
    for suffix in ("jsonl", "csv", "parquet"):
        run("--image", folder, "--output", tmp_path / f"out.{suffix}")
    expected = [
        {
            **{name: row[name] for name in ("input", "answer", "words", "invalid", "error")},
            "probability_melanoma": row["probabilities"].get("melanoma"),
            "log_probability_benign": row["log_probabilities"].get("benign"),
        }
        for row in lines((tmp_path / "out.jsonl").read_text())
    ]
    parquet = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert [{name: row[name] for name in expected[0]} for row in parquet] == expected
    with (tmp_path / "out.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [{name: row[name] for name in expected[0]} for row in table] == [
        {name: "" if value is None else str(value) for name, value in row.items()}
        for row in expected
    ]


def test_parts_of_a_folder_give_what_the_whole_gives(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tools.predict import answering

    run("--image", folder, "--output", tmp_path / "whole.jsonl")
    monkeypatch.setattr(answering, "PART", 2)
    sizes = []
    write = answering.write_shard

    def counted(path: Path, rows: Any, **options: Any) -> None:
        rows = list(rows)
        sizes.append(len(rows))
        write(path, iter(rows), **options)

    monkeypatch.setattr(answering, "write_shard", counted)
    run("--image", folder, "--output", tmp_path / "parts.jsonl")
    assert sizes == [2, 1, 2, 1]  # the damaged one is in the second
    whole, parts = (lines((tmp_path / name).read_text()) for name in ("whole.jsonl", "parts.jsonl"))
    for one, other in zip(whole, parts, strict=True):
        assert one["answer"] == other["answer"]
        assert one["log_probabilities"] == pytest.approx(other["log_probabilities"], abs=1e-4)


def test_a_failure_leaves_the_old_file(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tools.predict import answering

    out = tmp_path / "out.csv"
    out.write_text("old")
    monkeypatch.setattr(answering, "PART", 2)
    ask, parts = answering.Predictor._ask, []

    def interrupted(self: Any, records: Path, workers: None) -> Any:
        parts.append(records)
        if len(parts) == 2:
            raise KeyboardInterrupt
        return ask(self, records, workers)

    monkeypatch.setattr(answering.Predictor, "_ask", interrupted)
    assert run("--image", folder, "--output", out) == 1
    assert out.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["out.csv"]


def test_a_model_that_is_shown_examples_is_not_asked() -> None:
    from tools.predict.answering import chosen

    values = copy.deepcopy(COMMITTED)
    values["evaluate"]["models"]["reference"]["examples"] = {"count": 2, "seed": 1}
    shown = Params.model_validate(values)
    assert chosen(shown, "base", None).name == "base"
    with pytest.raises(VerdictError, match=r"models\.reference is shown examples .* --model"):
        chosen(shown, "reference", None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--image", "empty"], "empty holds no images"),
        (["--image", "nowhere.jpg"], "nowhere.jpg is not here"),
        (["--image", "text.jpg"], "text.jpg: does not decode: it is no image file of a k"),
        (["--image", "ok.png", "--adapter", "nowhere"], "nowhere holds no adapter; run `dvc repro"),
        (["--image", "ok.png", "--model", "best"], "no model best in evaluate.models; it has base"),
        (["--image", "ok.png", "--output", "x.xlsx"], "x.xlsx has to end in .jsonl, .csv, .parq"),
        (["--image", "ok.png", "--output", "/proc/no/x.csv"], "cannot be written"),
        (["--image", "ok.png", "--output", "empty.csv"], "empty.csv is a folder"),
        (["--image", "ok.png", "--question", "Why?"], "the prompt has no place for a text"),
        (["--image", "ok.png", "--prompt", "Is {text} here?"], "there is none: --question"),
        (["--image", "ok.png", "--pair", "a", "b"], "the task melanoma is not about pairs"),
        ([], "the task melanoma is about images: give --image"),
        (["--image", ""], "--image is empty: name an image, a folder or an address"),
        (["--image", "ok.png", "--prompt", " "], "--prompt is blank"),
        (["--image", "ok.png", "--prompt", "<start_of_image>?"], "the prompt holds <start_of_im"),
    ],
)
def test_what_cannot_be_asked_is_told(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    for name in ("empty", "empty.csv"):
        (project / name).mkdir(exist_ok=True)
    (project / "text.jpg").write_text("not a picture")
    Image.new("RGB", (20, 20)).save(project / "ok.png")
    assert runner(project, monkeypatch)(*arguments) == 1
    assert message in capsys.readouterr().err


def test_an_adapter_of_another_base_is_refused(
    project: Path, run: Run, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    for path in (project / "models/adapter").iterdir():
        (adapter / path.name).write_bytes(path.read_bytes())
    provenance = json.loads((adapter / "provenance.json").read_text())
    provenance["base"]["sha256"] = "0" * 64
    (adapter / "provenance.json").write_text(json.dumps(provenance))
    assert run("--image", folder / "0.png", "--adapter", adapter) == 1
    assert "was trained from owner/model at revision 0123abcd" in capsys.readouterr().err


def test_an_address_is_fetched_and_one_that_is_not_there_is_named(
    run: Run, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        serving(FileServer((folder / "1.png").read_bytes())) as server,
        serving(FileServer(b"", statuses=[404])) as missing,
    ):
        address = f"{server.address}/1.png?signature=secret"
        assert run("--json", "--image", address, "--image", f"{missing.address}/2.png") == 1
    out = capsys.readouterr()
    found, gone = lines(out.out)
    assert found["answer"] in ("benign", "melanoma")
    assert "does not exist (HTTP 404)" in gone["error"]
    assert "2.png" in out.err
    assert "secret" not in out.out + out.err
    assert run("--json", "--image", folder / "1.png") == 0
    assert lines(capsys.readouterr().out)[0]["log_probabilities"] == found["log_probabilities"]


def test_a_local_address_is_a_path(
    run: Run, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--json", "--image", (folder / "1.png").as_uri()) == 0
    assert lines(capsys.readouterr().out)[0]["error"] is None


def test_a_reader_that_has_enough_ends_it_without_a_traceback(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as closed:
        monkeypatch.setattr("sys.stdout", closed)
        with pytest.raises(SystemExit, match=r"^1$"):
            run("--json", "--image", folder / "0.png")
    assert "Traceback" not in capsys.readouterr().err


def test_another_prompt_is_what_the_model_is_asked(
    run: Run, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = []
    for prompt in ([], ["--prompt", "Is it red?"]):
        assert run("--image", folder / "0.png", "--json", *prompt) == 0
        given += lines(capsys.readouterr().out)
    assert given[0]["log_probabilities"] != given[1]["log_probabilities"]
