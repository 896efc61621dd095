"""The judge's way: clone, pull, ``verify``; what it costs, and what it notices.

``make bench name=verify`` takes the last commit of this checkout and goes as a judge does: in a
fresh clone with an empty cache, as committed; then, with the data of DVC's cache pushed to an
emulated bucket, from there, without and with ``--train``. Then twelve changes are planted, each in
a clone of its own, and ten faults of server, client and objects are gone through. It takes about a
quarter of an hour.
"""

import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.parts.table import Figure, conclude
from benchmarks.parts.verify_changes import CHANGES, plant_and_verify
from benchmarks.parts.verify_faults import Faults
from benchmarks.parts.verify_project import cloned, start_bucket
from testing.planted import verify, wrong
from testing.project import Project


@dataclass(frozen=True)
class Visit:
    """A judge's clone, and the seconds that clone and pull, and that ``verify`` took.

    Attributes:
        processor: seconds of processor time of all that, which others' work changes little.
        reported: how many claims and outputs ``verify`` called different; it is to be none.
        identical: how many outputs were made again to the byte.
    """

    clone: Project
    pulling: float
    verifying: float
    processor: float
    reported: int
    identical: int


def visit(make_clone: Callable[[], Project], *options: str) -> Visit:
    """Clone, pull everything and verify, as a judge does."""
    before = _processor_seconds()
    started = time.monotonic()
    clone = make_clone()
    clone.dvc("pull")
    pulled = time.monotonic()
    code, said, found = verify(clone, clone.root, *options)
    ended = time.monotonic()
    if not found:
        raise SystemExit(f"verify ended with {code}:\n{said}")
    reported = wrong(found)
    if code or reported:
        print(said)
    outputs = found["outputs"]
    return Visit(
        clone,
        pulled - started,
        ended - pulled,
        _processor_seconds() - before,
        len(reported),
        sum(output["made_again"]["status"] == "identical" for output in outputs),
    )


def _processor_seconds() -> float:
    """Return the processor time of all processes that ended, and those that they started."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        bucket = start_bucket(Path(temporary), "origin")
        try:
            plain = visit(lambda: cloned(bucket.project, "plain"))
            bucket.project.dvc("push", "--quiet")
            quick = visit(lambda: bucket.clone("judge"))
            print(f"verify: {quick.identical} outputs made again identically")
            trained = visit(lambda: bucket.clone("trained"), "--train")
            print(f"verify --train: {trained.identical} outputs made again identically")
            caught = [
                plant_and_verify(quick.clone, number, change)
                for number, change in enumerate(CHANGES, 1)
            ]
            pulled = Faults(Path(temporary), bucket).run()
        finally:
            bucket.emulator.kill()
    conclude(
        "a judge's visit: clone, pull from what is committed or from an emulated bucket, verify",
        [
            Figure("clone and pull as committed", plain.pulling, "s"),
            Figure("verify", plain.verifying, "s"),
            Figure(
                "clone, pull as committed, verify", plain.pulling + plain.verifying, "s", "<=", 90
            ),
            Figure("reported of it", plain.reported, "", "=", 0),
            Figure("clone and pull from the bucket", quick.pulling, "s", beside=True),
            Figure("verify", quick.verifying, "s"),
            Figure("clone, pull and verify", quick.pulling + quick.verifying, "s", "<=", 180),
            Figure("processor time of that", quick.processor, "s"),
            Figure("verify --train", trained.verifying, "s"),
            Figure(
                "clone, pull and verify --train",
                trained.pulling + trained.verifying,
                "s",
                "<=",
                480,
            ),
            Figure("processor time of that", trained.processor, "s"),
            Figure("reported of a clean clone", quick.reported, "", "=", 0),
            Figure("the same with --train", trained.reported, "", "=", 0),
            Figure("planted changes, caught and named", sum(caught), "of 12", "=", 12),
            Figure("pulls after faults, byte-identical", sum(pulled.values()), "of 10", "=", 10),
        ],
    )


if __name__ == "__main__":
    main()
