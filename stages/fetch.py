"""Bring the raw data: published files by their addresses, or the embedded synthetic archive.

With a name of ``outside`` those of that set, beside the task's own.
"""

import sys
from pathlib import Path

from verdict.core.files import replacing
from verdict.core.paths import OUTSIDE, RAW
from verdict.params import Params
from verdict.params.data import Fetch
from verdict.pipeline.stage import key_of, run
from verdict.sources.data import fetch_data
from verdict.tasks import check_files, load_archive, make_archive


def main(task: str, options: Fetch, raw: Path) -> None:
    if options.source == "embedded":
        with replacing(raw) as partial:
            make_archive(task, partial, options.embedded)
        return
    check_files(task, options.files)
    fetch_data(load_archive(task).FILES, options, raw)


def fetch_outside(name: str, params: Params) -> None:
    main(params.task, params.outside[name].fetch, OUTSIDE / name / "raw")


if __name__ == "__main__":
    if sys.argv[1:]:
        key = key_of(sys.argv[1])
        run(f"fetch_outside@{key}", lambda params: fetch_outside(key, params))
    else:
        run("fetch", lambda params: main(params.task, params.fetch, RAW))
