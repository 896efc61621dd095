"""Does anything that somebody else made end in another way than one message?

``make bench name=fuzz`` draws damaged and invented inputs for every entry point that reads what is
not this project's own: files, texts, and what servers answer. Each is read to its end; whatever is
raised but a ``VerdictError`` (or, for one image or one attempt at a download, the rejection that is
reported) counts as unexpected, and so does an input that ends the process, or takes longer than
20 s. Every entry runs in a process of its own, with 6 GiB of memory at most.

    python -m benchmarks.fuzz --entry zips --number 17    draw that input again, with its traceback
"""

import argparse
import contextlib
import faulthandler
import multiprocessing
import os
import resource
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.parts import fuzz_files, fuzz_network, fuzz_texts
from benchmarks.parts.fuzz_files import Attempt
from benchmarks.parts.table import Figure, conclude
from verdict.core.errors import VerdictError

#: Where inputs are read, and how many are drawn for it.
ENTRIES: dict[str, tuple[Callable[[Path], Attempt], int]] = {
    "zips": (fuzz_files.zips, 12_000),
    "parquet_images": (fuzz_files.parquet_images, 8_000),
    "images": (fuzz_files.images, 10_000),
    "melanoma": (fuzz_files.melanoma, 6_000),
    "breakhis": (fuzz_files.breakhis, 6_000),
    "pairs": (fuzz_files.pairs, 14_000),
    "own_table": (fuzz_files.own_table, 6_000),
    "questions": (fuzz_files.questions, 6_000),
    "pulled": (fuzz_files.pulled, 4_000),
    "predictions": (fuzz_files.predictions, 6_000),
    "parameters": (fuzz_texts.parameters, 3_000),
    "recipe_files": (fuzz_texts.recipe_files, 1_000),
    "locks": (fuzz_texts.locks, 6_000),
    "answers": (fuzz_texts.answers, 16_000),
    "addresses": (fuzz_texts.addresses, 10_000),
    "provenances": (fuzz_texts.provenances, 4_000),
    "signatures": (fuzz_texts.signatures, 4_000),
    "http": (fuzz_network.http, 8_000),
    "hubs": (fuzz_network.hubs, 6_000),
}
#: What was imported once is there at once.
_FORK = multiprocessing.get_context("fork")
#: Inputs in all.
ENOUGH = 100_000
SECONDS = 20
MEMORY = 6 * 2**30  # bytes
#: Unexpected ends that are printed of each entry.
_SHOWN = 20


def try_all(name: str, inputs: int) -> dict[str, Any]:
    """Draw and read an entry's inputs; return how many were refused, and what was unexpected."""
    refused, unexpected = 0, []
    with _prepared(name) as attempt:
        for number in range(inputs):
            faulthandler.dump_traceback_later(SECONDS, exit=True, file=2)
            try:
                attempt(Random(f"{name} {number}"))
            except VerdictError:
                refused += 1
            except Exception as error:
                unexpected.append([number, _described(error)])
    return {"refused": refused, "unexpected": unexpected}


@contextlib.contextmanager
def _prepared(name: str) -> Any:
    """Yield what reads an entry's inputs, in a folder and with the memory of its own."""
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    before = Path.cwd()
    with (
        tempfile.TemporaryDirectory(prefix="verdict-") as folder,
        open(os.devnull, "w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        try:
            yield ENTRIES[name][0](Path(folder))
        finally:
            faulthandler.cancel_dump_traceback_later()
            os.chdir(before)


def _described(error: Exception) -> str:
    """Say what was raised, and from which line of the project."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "site-packages" not in frame.filename]
    place = f"{Path(own[-1].filename).name}:{own[-1].lineno}"
    return f"{place}: {type(error).__name__}: {ascii(str(error))[:120]}"


def run(name: str, inputs: int) -> dict[str, Any]:
    """Try an entry in a process of its own; a process that dies is one unexpected end."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    with tempfile.TemporaryFile() as said:
        process = _FORK.Process(target=_answer, args=(name, inputs, theirs, said.fileno()))
        process.start()
        theirs.close()
        try:
            found: dict[str, Any] = ours.recv()
        except EOFError:
            said.seek(0)
            sys.stderr.buffer.write(said.read()[-5000:])
            found = {"refused": 0, "unexpected": [[-1, "the process ended, or hung"]]}
        process.join()
    return found


def _answer(name: str, inputs: int, to: Any, said: int) -> None:
    os.dup2(said, 2)  # libraries in C, and a hung process, say there what they have to
    to.send(try_all(name, inputs))


def report(name: str, inputs: int, found: dict[str, Any]) -> Figure:
    """Print what was unexpected, the same once; return the entry's line of the table."""
    kinds: dict[str, list[int]] = {}
    for number, described in found["unexpected"]:
        kinds.setdefault(described, []).append(number)
    for described, numbers in list(kinds.items())[:_SHOWN]:
        print(f"{name} {numbers[0]} ({len(numbers)} times): {described}", flush=True)
    what = f"{name}: {inputs:,} inputs, {found['refused']:,} refused; unexpected"
    return Figure(what, len(found["unexpected"]), "", "=", 0)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--entry", choices=ENTRIES, help="this one alone")
    parser.add_argument("--number", type=int, help="this input of it alone")
    parser.add_argument("--inputs", type=int, help="so many of each entry")
    chosen = parser.parse_args()
    if chosen.number is not None:
        with _prepared(chosen.entry) as attempt:
            attempt(Random(f"{chosen.entry} {chosen.number}"))
        return
    figures, total = [], 0
    for name, (_, usual) in ENTRIES.items():
        if chosen.entry in (None, name):
            inputs = chosen.inputs or usual
            figures.append(report(name, inputs, run(name, inputs)))
            total += inputs
    figures.append(Figure("inputs in all", total, "", ">=", ENOUGH))
    conclude("whatever somebody else made ends in one message", figures)


if __name__ == "__main__":
    main()
