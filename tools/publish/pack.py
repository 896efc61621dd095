"""The reporting pack: what a journal or a reviewer asks for beside the numbers, in one folder.

Checklists, the data set in Croissant, the run as an RO-Crate, the card and the comparison. No
record and no image is in it: the page, which shows some, is named by its hash like the data.
"""

import json
import shutil
from pathlib import Path

from tools.publish.checklists import checklists_text
from tools.publish.crate import DESCRIPTOR, Crate
from tools.publish.croissant import describe_data
from tools.publish.files import NOTICE
from tools.publish.terms import read_used
from verdict.comparison.file import read_comparison
from verdict.core.errors import VerdictError
from verdict.core.files import replacing, write_json
from verdict.core.paths import (
    CARD,
    COMPARISON,
    EXTRACT_METRICS,
    LOCK_FILE,
    PARAMS_FILE,
    PIPELINE_FILE,
    REPORT,
    REQUIREMENTS,
)
from verdict.report.terms import notice_text
from verdict.summary.wording import shown
from verify.clone import git
from verify.pipeline import Pipeline

CHECKLISTS, CROISSANT = "checklists.md", "croissant.json"
#: What is copied as it is.
_COPIED = (
    CARD,
    COMPARISON,
    *(REPORT / name for name in ("comparison.md", "comparison.png", "confusion.png")),
    PARAMS_FILE,
    PIPELINE_FILE,
    LOCK_FILE,
    REQUIREMENTS,
)


def write_pack(root: Path, folder: Path, commit: str) -> list[str]:
    """Write the pack of a project into a new folder.

    Args:
        commit: the checked-out one, of which everything is as committed and up to date.

    Returns:
        The names of its files.

    Raises:
        VerdictError: the folder exists, or something is missing: a licence, a file, a hash.
    """
    if folder.exists():
        raise VerdictError(f"{folder} exists; name another folder, or remove it first")
    params, used = read_used(root)
    pipeline, comparison = Pipeline(root), read_comparison(root / COMPARISON)
    day = git(root, "show", "--no-patch", "--format=%cs", commit).strip()
    title = f"Synthetic records for the task {shown(params.task)}"
    told = json.loads((root / EXTRACT_METRICS).read_text(encoding="utf-8"))
    description = f"{told['records']:,} records of {told['groups']:,} {comparison.noun}."
    terms = used[0].terms
    assert terms is not None  # read_used refuses what has none
    with replacing(folder) as partial:
        partial.mkdir(exist_ok=True)
        inside = {path.name: path.as_posix() for path in _COPIED}
        for name, path in inside.items():
            shutil.copyfile(root / path, partial / name)
        made = {CHECKLISTS: checklists_text(root, params, used, commit), NOTICE: notice_text(used)}
        for name, text in made.items():
            if text:
                (partial / name).write_text(text, encoding="utf-8")
                inside[name] = ""
        croissant = describe_data(
            root, pipeline, terms, title=title, description=description, day=day
        )
        write_json(partial / CROISSANT, croissant)
        inside[CROISSANT] = ""
        crate = Crate(pipeline, partial, inside).to_json(
            name=f"Verdict: {shown(params.task)}, commit {commit[:12]}",
            description=comparison.verdict.sentence,
            terms=terms.address,
            day=day,
        )
        write_json(partial / DESCRIPTOR, crate)
    return sorted([*inside, DESCRIPTOR])
