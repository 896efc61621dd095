"""Run every stage on a full and on a read-only disk; one process, which imports torch once.

``python -m tests.faults.writing DISK REPORT`` works in the project on the small file system that is
mounted at DISK, and leaves in REPORT how each stage ended and which of the files there changed.
"""

import hashlib
import json
import os
import runpy
import subprocess
import sys
import traceback
from pathlib import Path

from verdict import reproducibility
from verdict.pipeline.definition import load_params

#: In the order of dvc.yaml; with the name that DVC gives to one of several.
STAGES = (
    "check", "fetch", "fetch_model@base", "extract", "split", "format", "train",
    "baseline@boosting", "evaluate@tuned", "compare", "report",
)  # fmt: skip
#: What takes seconds to import, and no stage changes.
_SLOW = (
    "verdict.tiny_models.builder", "verdict.training.job", "verdict.models.load",
    "verdict.answers.evaluation", "verdict.baselines.training", "verdict.extraction.extract",
    "verdict.splitting.assignment", "verdict.summary.markdown", "verdict.report.page",
)  # fmt: skip
_FILLER = Path(".full")


def main(disk: str, report: str) -> None:
    os.chdir(disk)
    # As each stage does; the number of threads is the same in all.
    reproducibility.pin_cpu(load_params("train").reproducibility)
    reproducibility.go_offline()
    for name in _SLOW:
        __import__(name)
    reproducibility.pin_cpu = lambda *_, **__: None
    ended = {}
    for stage in STAGES:
        ended[f"{stage} full"] = _try(stage)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    for stage in STAGES:
        ended[f"{stage} read-only"] = _try(stage)
    Path(report).write_text(json.dumps(ended), "utf-8")


def _try(stage: str) -> dict[str, object]:
    _fill()
    before = _content()
    code, said = _run(stage)
    _FILLER.unlink() if os.access(".", os.W_OK) else None
    after = _content()
    changed = sorted(name for name in before | after if before.get(name) != after.get(name))
    return {"code": code, "said": said, "changed": changed}


def _fill() -> None:
    """Leave no byte free; on a disk that cannot be written nothing is to be done."""
    try:
        with _FILLER.open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 4096)
    except OSError:
        pass


def _content() -> dict[str, str]:
    """Return the hash of every file, but of the one that fills."""
    return {
        path.as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in Path().rglob("*")
        if path.is_file() and path != _FILLER
    }


def _run(stage: str) -> tuple[int, str]:
    """Run a stage's script in a child of this process, as ``python -m`` does."""
    name, _, key = stage.partition("@")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        for number in (1, 2):
            os.dup2(writing, number)
        sys.argv = [name, *([stage] if key else [])]
        code = 0
        try:
            runpy.run_module(f"stages.{name}", run_name="__main__", alter_sys=True)
        except SystemExit as error:
            code = 1 if error.code else 0
            if error.code:
                print(error.code, file=sys.stderr)
        except BaseException:
            traceback.print_exc()
            code = 70
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode("utf-8", "replace")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said


if __name__ == "__main__":
    main(*sys.argv[1:])
