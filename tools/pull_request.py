"""Show what a pull request changes: the verdict before and after, as one Markdown comment.

    python -m tools.pull_request --base origin/main --out comment

In a temporary clone of the last commit, which shares DVC's cache: `dvc pull`, `dvc repro`, and
`make verify` of what came out. The folder has comment.md and the confusion pictures before and
after; the checkout stays as it is. Before is the commit in which the branch left --base. Exit code
0: the pipeline ran and its numbers hold; 1: not, and the comment says what.

In a comment a picture needs an address: --pictures says where the host shows the files of a commit,
with {commit} in its place. A picture that is not committed has none; it is in the folder alone.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from verdict.comparison.file import read_comparison
from verdict.comparison.model import Comparison
from verdict.comparison.results import Estimate
from verdict.core.errors import VerdictError
from verdict.core.paths import COMPARISON, REPORT
from verdict.core.project import project_root
from verdict.pipeline.command import command, parser_of
from verdict.summary.wording import (
    UNDEFINED,
    interval,
    markdown_table,
    metric_title,
    number,
    p_text,
    signed,
    signed_interval,
)
from verify.clone import checked_out, git, run, temporary_clone, uncommitted
from verify.verification import verify

#: The first line, by which a host's job finds the comment that it has written before.
MARK = "<!-- verdict: what this pull request changes -->"
PICTURE = REPORT / "confusion.png"
#: Lines of a failed run that are quoted.
_QUOTED = 20
_AUTHOR = ("-c", "user.name=verdict", "-c", "user.email=verdict@localhost")


@dataclass(frozen=True)
class Side:
    """One of the two that are compared.

    Attributes:
        comparison: its numbers; None where it has none.
        picture: where the comment shows its confusion from, if anywhere.
    """

    commit: str
    comparison: Comparison | None
    picture: str = ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, verify, write the comment, and return the exit code."""
    options = _parser().parse_args(arguments)
    with command("pull_request"):
        root = project_root()
        if options.out.exists():
            raise VerdictError(f"{options.out} exists; name another folder, or remove it first")
        base = git(root, "merge-base", options.base, "HEAD").strip()
        options.out.mkdir(parents=True)
        text, good = show(root, base, options, lambda line: print(line, flush=True))
        (options.out / "comment.md").write_text(text, encoding="utf-8")
        print(text)
        return 0 if good else 1


def show(
    root: Path, base: str, options: argparse.Namespace, say: Callable[[str], None]
) -> tuple[str, bool]:
    """Return the comment, and whether all is well.

    Raises:
        VerdictError: this is no clone of a DVC project.
    """
    head = checked_out(root)
    before = _before(root, base, options)
    with temporary_clone(root, keep=False) as clone:
        pulled = run(clone, _dvc("pull", "--quiet", "--allow-missing"))
        if pulled.returncode != 0:
            say("`dvc pull` did not bring everything: what is missing is made")
        done = run(clone, _dvc("repro"))
        sys.stdout.write(done.stdout)
        if done.returncode != 0:
            lines = (done.stdout + done.stderr).strip().splitlines()[-_QUOTED:]
            return comment(before, Side(head, None), failure="\n".join(lines)), False
        stages = [
            line.split("'")[1]
            for line in done.stdout.splitlines()
            if line.startswith("Running stage '")
        ]
        made = [path for _, path in uncommitted(clone)]
        if made:
            git(clone, "add", "--all")
            git(clone, *_AUTHOR, "commit", "--quiet", "-m", "As it came out")
        result = verify(clone, minutes=options.minutes, train=False, keep=False, say=say)
        picture = _picture(clone, "after", head, PICTURE.as_posix() not in made, options)
        after = Side(head, read_comparison(clone / COMPARISON), picture)
        return comment(before, after, stages, made, result.sentence), result.holds


def _dvc(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "dvc", *arguments]


def _before(root: Path, base: str, options: argparse.Namespace) -> Side:
    """Return the side that the target branch has committed; its picture goes into the folder."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [COMPARISON.as_posix(), PICTURE.as_posix()]
        if set(paths) - set(git(root, "ls-tree", "-r", "--name-only", base, *paths).split()):
            return Side(base, None)
        archive = Path(folder) / "before.zip"
        git(root, "archive", f"--output={archive}", base, *paths)
        shutil.unpack_archive(archive, folder)
        comparison = read_comparison(Path(folder) / COMPARISON)
        return Side(base, comparison, _picture(Path(folder), "before", base, True, options))


def _picture(
    project: Path, name: str, commit: str, committed: bool, options: argparse.Namespace
) -> str:
    """Copy a picture into the folder, and return where the comment shows it from."""
    copy = options.out / f"confusion-{name}.png"
    shutil.copyfile(project / PICTURE, copy)
    if not options.pictures:
        return copy.name
    folder = options.pictures.replace("{commit}", commit).rstrip("/")
    return f"{folder}/{PICTURE.as_posix()}" if committed else ""


def comment(
    before: Side,
    after: Side,
    stages: Sequence[str] = (),
    made: Sequence[str] = (),
    verified: str = "",
    failure: str = "",
) -> str:
    """Return the comment.

    Args:
        stages: those that ran; the others were in DVC's cache.
        made: what came out other than it is committed.
        verified: what the verification found.
        failure: the last lines of a run that failed.
    """
    return "\n".join([MARK, *_parts(before, after, stages, made, verified, failure), ""])


def _parts(
    before: Side,
    after: Side,
    stages: Sequence[str],
    made: Sequence[str],
    verified: str,
    failure: str,
) -> Iterator[str]:
    if failure:
        yield f"### Verdict: the pipeline fails\n\n```text\n{failure.replace('```', '…')}\n```"
        yield f"\n**Before** ({before.commit[:12]}): {_sentence(before)}"
        return
    changed = _sentence(before) != _sentence(after)
    yield f"### The verdict {'changes' if changed else 'stays the same'}\n"
    yield f"**Before** ({before.commit[:12]}): {_sentence(before)}\n"
    yield f"**After** ({after.commit[:12]}): {_sentence(after)}\n"
    for warning in after.comparison.warnings if after.comparison else ():
        yield f"> **Warning.** {warning}\n"
    if rows := list(_rows(before.comparison, after.comparison)):
        yield markdown_table(("", "before", "after"), rows)
    yield ""
    ran = f"Ran: {', '.join(stages)}; the rest" if stages else "Nothing ran: everything"
    yield f"{ran} came from DVC's cache. Verified: {verified}"
    if made:
        yield (
            f"\nNot committed as it came out: {', '.join(f'`{path}`' for path in made)}. Run "
            "`dvc repro`, commit and push."
        )
    yield from _pictures(before, after)


def _sentence(side: Side) -> str:
    return side.comparison.verdict.sentence if side.comparison else "there is no verdict."


def _rows(before: Comparison | None, after: Comparison | None) -> Iterator[tuple[str, str, str]]:
    """Yield the differences, then the decisive metric of each model, before and after."""
    for cells_of in (_differences, _metrics):
        first, second = (cells_of(side) if side else {} for side in (before, after))
        for name in dict.fromkeys([*first, *second]):
            yield name, first.get(name, UNDEFINED), second.get(name, UNDEFINED)


def _differences(comparison: Comparison) -> dict[str, str]:
    decisive = comparison.kind.decisive
    title = metric_title(decisive, comparison.noun)
    cells = {}
    for one in comparison.differences:
        found = one.metrics[decisive]
        between = signed_interval(found.low, found.high)
        cells[f"{title}, {one.first} − {one.second}"] = (
            f"{signed(found.value)} ({between}), p {p_text(one.p)}" if between else UNDEFINED
        )
    return cells


def _metrics(comparison: Comparison) -> dict[str, str]:
    decisive = comparison.kind.decisive
    title = metric_title(decisive, comparison.noun)
    return {
        f"{title}, {name}": _cell(decisive, found[decisive])
        for name, found in comparison.models.items()
    }


def _cell(metric: str, estimate: Estimate) -> str:
    between = interval(metric, estimate.low, estimate.high)
    value = number(metric, estimate.value) or UNDEFINED
    return f"{value} ({between})" if between else value


def _pictures(before: Side, after: Side) -> Iterator[str]:
    if after.picture and after.picture == before.picture:
        return
    for name, side in (("before", before), ("after", after)):
        if side.picture:
            yield f"\nConfusion, {name}:\n\n![Confusion of each model, {name}]({side.picture})"
        elif side.comparison:
            yield f"\nConfusion, {name}: `confusion-{name}.png` in the job's files."


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("tools.pull_request", __doc__)
    add = parser.add_argument
    add("--base", required=True, metavar="REF", help="the branch that it is to be merged into")
    add("--out", type=Path, required=True, metavar="FOLDER", help="a folder that does not exist")
    add(
        "--pictures", default="", metavar="ADDRESS",
        help="where the files of a commit are shown, such as "
        "https://github.com/OWNER/NAME/raw/{commit}",
    )  # fmt: skip
    add(
        "--minutes", type=float, default=10.0, metavar="N",
        help="for making data and answers again (default %(default)s); 0: the numbers alone",
    )  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
