"""The table of ``docs/claims.md``, made of what the benchmarks have measured.

Each benchmark has a file in ``benchmarks/results/``: its figures as it printed them, and when and
where that was. Its last whole run has written it, and then the table anew; what is not known of
older figures is null. ``python -m benchmarks.parts.claims`` writes the table alone, as after a
merge.
"""

import json
import os
import platform
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from testing.places import ROOT
from verdict.core.files import replacing, write_json

PAGE, RESULTS = Path("docs/claims.md"), Path("benchmarks/results")
BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
HEAD = ("| what | measured | target | `name=` | when |", "|---|---:|---:|---|---|")
#: What a reader looks for first; benchmarks that are not named here follow.
ORDER = (
    "repro", "speed", "resume", "processors", "recipes", "step", "evaluate", "statistics",
    "coverage", "verify", "fuzz", "remote", "extract", "dicom", "loader", "scale",
)  # fmt: skip


def record(name: str, title: str, figures: list[dict[str, Any]]) -> None:
    """Write what a benchmark has measured, and the table anew; say which files these are."""
    run = {
        "title": title,
        "date": datetime.now(UTC).date().isoformat(),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "commit": commit(),
        "figures": figures,
    }
    write_json(ROOT / RESULTS / f"{name}.json", run)
    print(f"{RESULTS / name}.json has these figures")
    main()


def processor() -> str:
    """Return the processor's model, or what its kind is called where the system names no model."""
    said = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*: (.+)$", said.read_text() if said.exists() else "", re.M)
    return found[1].strip() if found else platform.machine()


def commit() -> str | None:
    """Return the last commit, and whether files differ from it; None where there is no git.

    What other benchmarks have just written does not count.
    """
    others = (".", f":!{RESULTS}", f":!{PAGE}")
    last = _git("rev-parse", "--short=12", "HEAD")
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", *others)
    return f"{last} with changes" if last and changed else last or None


def _git(*command: str) -> str:
    try:
        done = subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return "" if done.returncode else done.stdout.strip()


def renewed(page: str, results: Path) -> str:
    """Return the page with the table that the files in a folder make.

    Raises:
        SystemExit: the page has no place for it, or a file is not what a benchmark writes.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{PAGE} needs the lines {BEGIN.strip()} and {END.strip()} for its table")
    rank = {name: number for number, name in enumerate(ORDER)}
    paths = sorted(results.glob("*.json"), key=lambda one: (rank.get(one.stem, len(rank)), one))
    lines = "\n".join([*HEAD, *(row for path in paths for row in _checked_rows(path))])
    return f"{before}{begin}{lines}\n{end}{after}"


def _checked_rows(path: Path) -> list[str]:
    try:
        return list(rows(path.stem, json.loads(path.read_text("utf-8"))))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise SystemExit(
            f"{RESULTS / path.name} is not as a benchmark writes it ({type(error).__name__}: "
            f"{error}); bring it back by git, or run `make bench name={path.stem}`"
        ) from None


def rows(name: str, run: dict[str, Any]) -> Iterator[str]:
    """Yield a benchmark's rows: figures with a target, and what is to be read beside them."""
    shown = [figure for figure in run["figures"] if figure["target"] or figure["beside"]]
    date = run["date"] or "earlier"
    if shown and run["title"]:
        where = f"{run['processor']}, {run['cores']} cores, {run['commit'] or 'no commit'}"
        yield f"| *{run['title']}* | | | `{name}` | {where} |"
    elif run["date"]:
        date = f"by {date}"  # then somebody wrote it down
    for figure in shown:
        measured, target = figure["measured"], figure["target"]
        # Older figures say themselves which part of them missed.
        if figure["reached"] is False and "**" not in measured:
            measured = f"**{measured}**"
        target = f" {target}".replace("<=", "≤").replace(">=", "≥").rstrip()
        yield f"| {figure['what']} | {measured} |{target} | `{name}` | {date} |"


def main() -> None:
    page = (ROOT / PAGE).read_text("utf-8")
    new = renewed(page, ROOT / RESULTS)
    if new == page:
        print(f"{PAGE} agrees with {RESULTS}/")
        return
    with replacing(ROOT / PAGE) as partial:
        partial.write_text(new, "utf-8")
    print(f"{PAGE} has changed: commit it with {RESULTS}/")


if __name__ == "__main__":
    main()
