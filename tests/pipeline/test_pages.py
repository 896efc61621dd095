"""README.md, SECURITY.md, docs/ and deploy/: short enough to be read, and true to what is there."""

import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from testing.places import ROOT
from testing.project import Project
from verdict.core.yaml12 import load_yaml

README = ROOT / "README.md"
SECURITY = ROOT / "SECURITY.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
DEPLOY = sorted((ROOT / "deploy").rglob("*.md"))

#: Lines of README.md, and words of a sentence.
LINES, WORDS = 150, 30

#: Named in the pages, and not in git: what a person or a run makes, or somebody else has. Of a
#: folder also what is in it.
NOT_HERE = {
    ".checkpoints/", ".dvc/tmp/rwlock", ".env", "Folds.csv", "checklists.md", "croissant.json",
    "data/fundus/", "files.tsv", "mlflow.db", "my/images", "my/labels.csv", "provenance.json",
    "recipes/mine/", "ro-crate-metadata.json", "signing-key.pem", "signing-key.pub.pem", "terms/",
    "verdict/tasks/fundus/", "verification.html", "verification.json", "verification.sig",
}  # fmt: skip

FENCED = re.compile(r"^```(\w*)\n(.*?)^```\n?", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FILE = re.compile(
    r"(\.?[\w-]+/)*(\.?[\w-]+/|\.?[\w-]+\.(py|md|sh|ya?ml|txt|in|json|html|csv|tsv|db|toml|lock|sig"
    r"|pem|png|css|env|conf|sbatch|parquet|example))"
)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    """Return a page without its fenced blocks and comments."""
    return re.sub(r"<!--.*?-->\n?", "", FENCED.sub("\n", page.read_text("utf-8")))


def blocks(text: str) -> Iterator[str]:
    """Yield what stands alone: paragraphs, headings, items of lists, cells of tables."""
    lines: list[str] = []
    for line in [*text.splitlines(), ""]:
        alone = re.match(r"\s*(\||#)", line)
        if alone or not line.strip() or re.match(r"\s*(-|\d+\.)\s", line):
            if lines:
                yield " ".join(lines)
            lines = []
        if alone:
            yield from line.strip(" #|").split("|")
        elif line.strip():
            lines.append(line.strip("> "))


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences; what is quoted as code counts as one word, a link as its text."""
    for block in blocks(text):
        plain = re.sub(r"\]\([^)]*\)", "]", re.sub(r"`[^`]+`", "CODE", block))
        # The table of faults sets what each test shows side by side, by semicolons.
        yield from re.split(r"(?<=[.!?])[*”\")]*\s+(?=\W*[A-Z0-9])|;\s", plain)


def words(sentence: str) -> int:
    return sum(bool(re.search(r"\w", word)) for word in sentence.split())


def anchors(page: Path) -> set[str]:
    """Return the sections of a page as GitHub calls them in addresses."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def folders_of(files: Iterable[str]) -> set[str]:
    return {str(folder) for file in files for folder in Path(file).parents}


def committed() -> set[str]:
    """Return the files that are in git, or are about to be, and their folders."""
    command = ("git", "ls-files", "--cached", "--others", "--exclude-standard")
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    files = {file for file in listed.splitlines() if (ROOT / file).exists()}
    return files | folders_of(files)


def written() -> set[str]:
    """Return a pattern for each output of the stages; ``${…}`` stands for any name."""
    stages = load_yaml((ROOT / "dvc.yaml").read_bytes(), "dvc.yaml")["stages"].values()
    parts = [
        stage.get("do", stage).get(kind, [])
        for stage in stages
        for kind in ("outs", "metrics", "plots")
    ]
    paths = {one if isinstance(one, str) else next(iter(one)) for part in parts for one in part}
    return {re.sub(r"\$\{[\w.]+\}", r"[^/]+", path.replace(".", r"\.")) for path in paths}


def exists(name: str, page: Path, files: set[str], outputs: set[str]) -> bool:
    """Say whether a file or folder is there, as seen from the root or the page, or by its name."""
    here = [Path(name), page.parent.relative_to(ROOT) / name]
    made = [str(part) for part in (here[0], *here[0].parents)]
    return (
        any(str(path) in files for path in here)
        or any(re.fullmatch(output, part) for output in outputs for part in made)
        or any(output.startswith(f"{here[0]}/") for output in outputs)
        or ("/" not in name and any(Path(file).name == name for file in files))
    )


def test_readme_is_short() -> None:
    assert len(README.read_text("utf-8").splitlines()) <= LINES


def test_what_a_person_gets_is_what_is_committed(clone: Callable[[str], Project]) -> None:
    project = clone("committed")
    project.environment["COLUMNS"] = "80"
    printed = project.run("python", "-m", "verdict.report", "metrics/report").stdout
    first = next(text for language, text in FENCED.findall(README.read_text("utf-8"))
                 if language == "text")  # fmt: skip
    assert first.splitlines() == [line.rstrip() for line in printed.strip().splitlines()]


@pytest.mark.parametrize("page", [README, SECURITY, *DOCS], ids=name_of)
def test_sentences_are_short(page: Path) -> None:
    long = [one for one in sentences(prose(page)) if words(one) > WORDS]
    assert long == []


def test_long_sentences_are_found() -> None:
    text = f"Short. Of {'word ' * 30}`a b c`.\n- {'word ' * 30}\n| {'a ' * 31}| b |\n"
    assert [words(one) for one in sentences(text)] == [1, 32, 30, 31, 1]


@pytest.mark.parametrize("page", [README, SECURITY, *DOCS, *DEPLOY], ids=name_of)
def test_what_is_linked_is_there(page: Path) -> None:
    for link in _LINK.findall(FENCED.sub("", page.read_text("utf-8"))):
        if not re.match(r"\w+:", link):
            file, _, section = link.partition("#")
            target = (page.parent / file) if file else page
            assert target.exists(), link
            assert not section or section in anchors(target), link


@pytest.mark.parametrize("page", [README, SECURITY, *DOCS], ids=name_of)
def test_what_is_named_is_there(page: Path) -> None:
    files, outputs = committed(), written()
    quoted = re.findall(r"`([^`]+)`", prose(page))
    named = {one.replace("NAME", "tuned") for one in quoted if _FILE.fullmatch(one)}
    folders = tuple(one for one in NOT_HERE if one.endswith("/"))
    named -= {one for one in named if one in NOT_HERE or one.startswith(folders)}
    assert [one for one in sorted(named) if not exists(one, page, files, outputs)] == []


def test_what_is_not_there_is_noticed() -> None:
    files, outputs = committed(), written()
    for name in ("nothing.py", "tests/tools/test_nothing.py", "verdict/nothing/", "metrics/no.txt"):
        assert not exists(name, README, files, outputs)
    for name in ("dvc.yaml", "test_pages.py", "tests/pipeline/", "data/records/", "metrics/x.json"):
        assert exists(name, README, files, outputs)


def test_every_page_is_reached_from_the_readme() -> None:
    linked = {(README.parent / link).resolve() for link in _LINK.findall(README.read_text("utf-8"))}
    assert {SECURITY, *DOCS} - linked == set()


def test_the_drawn_graph_is_that_of_dvc(clone: Callable[[str], Project]) -> None:
    drawings = {
        text
        for page in (README, ROOT / "docs" / "architecture.md")
        for _, text in FENCED.findall(page.read_text("utf-8"))
        if "check ┤" in text
    }
    (drawing,) = drawings  # the same on both pages
    upper, (first, *rest), lower = (re.findall(r"[a-z_]+", line) for line in drawing.splitlines())
    drawn = {edge for middle in (upper, lower) for edge in pairwise([first, *middle, *rest])}
    said = clone("drawn").dvc("dag", "--dot")
    edges = {
        (first.partition("@")[0], second.partition("@")[0])
        for first, second in re.findall(r'"([\w@]+)" -> "([\w@]+)"', said)
        # Baselines are beside training and evaluation, and a recipe may have none.
        if "baseline@" not in first + second
    }
    assert len(edges) > 10
    assert drawn <= edges, "an arrow that DVC does not have"
    followed = set(drawn)
    while more := {(a, d) for a, b in followed for c, d in followed if b == c} - followed:
        followed |= more
    assert edges <= followed, "DVC has an order that the picture does not show"


def test_the_table_of_stages_is_whole() -> None:
    stages = load_yaml((ROOT / "dvc.yaml").read_bytes(), "dvc.yaml")["stages"]
    rows = re.findall(r"^\| `([a-z_]+)` \|.*\| `([^`]+)` \|$", README.read_text("utf-8"), re.M)
    described = {stage: place for stage, place in rows if stage in stages}
    # With its default, no training is replicated, and no test set comes from elsewhere.
    absent = {"replicate", "fetch_outside", "outside", "evaluate_outside"}
    assert set(described) == set(stages) - absent
    for stage, place in described.items():
        text = str(stages[stage]).replace("${key}", "NAME")
        assert f"'{place.rstrip('/')}" in text, f"{stage} does not write {place}"


def test_the_table_of_recipes_is_whole() -> None:
    text = README.read_text("utf-8").partition("## Recipes")[2]
    there = {path.stem for path in (ROOT / "recipes").glob("*.yaml")} - {"defaults"}
    told = set(re.findall(r"^\| `([a-z0-9-]+)` \|.* ([\d.]+) → ([\d.]+) \|$", text, re.MULTILINE))
    assert {name for name, _, _ in told} == there
    claims = (ROOT / "docs" / "claims.md").read_text("utf-8")
    row = r"^\| `([a-z0-9-]+)` \| ([\d.]+) \| ([\d.]+) \| \+.* \|$"
    assert set(re.findall(row, claims, re.MULTILINE)) == told


def test_claims_name_benchmarks_that_there_are() -> None:
    text = (ROOT / "docs" / "claims.md").read_text("utf-8")
    table = text.partition("<!-- measured: begin -->")[2].partition("<!-- measured: end -->")[0]
    rows = re.findall(r"^\|.*\| `(\w+)` \|[^|]+\|$", table, re.MULTILINE)
    assert len(rows) == len(table.strip().splitlines()) - 2 > 25
    for name in rows:
        assert (ROOT / "benchmarks" / f"{name}.py").is_file(), name
