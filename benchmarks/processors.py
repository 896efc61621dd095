"""Do processors of other makers compute the same bytes?

``make bench name=processors`` runs single operations, pre-training, every way of training and
evaluation, a few steps each, natively and under QEMU (Debian's and Ubuntu's package ``qemu-user``)
as processors of two makers, with other caches and without AVX-512. Every tensor's bytes are
compared. It takes half an hour, some minutes of it to import torch under QEMU;
``processors_played.py`` has what is run.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.parts.processors_played import KINDS
from benchmarks.parts.table import Figure, conclude
from testing.tiny import build_tiny

EMULATOR = "qemu-x86_64"
#: As QEMU names them: of AMD and of Intel.
PROCESSORS = ("EPYC", "Haswell")


def main() -> None:
    if shutil.which(EMULATOR) is None:
        sys.exit(f"{EMULATOR} is not here; Debian and Ubuntu have it in the package qemu-user")
    table = Table("what", "compared", *PROCESSORS, title="differing from this processor")
    table.title_justify = "left"
    differing = 0
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor() as pool:
        folder = Path(name)
        build_tiny(folder)
        here, *others = pool.map(lambda p: played(list(KINDS), folder, p), (None, *PROCESSORS))
    for kind in KINDS:
        there = [differences(here[kind], other[kind]) for other in others]
        differing += sum(len(names) for names in there)
        table.add_row(kind, str(len(here[kind])), *(", ".join(names[:3]) or "0" for names in there))
    Console(width=100).print(table)
    conclude(
        f"the same bytes on {' and '.join(PROCESSORS)}, played by QEMU",
        [Figure("what is computed with other bytes than here", differing, "", "=", 0)],
    )


def played(
    kinds: Sequence[str], folder: Path, emulated: str | None = None
) -> dict[str, dict[str, str]]:
    """Return by kind of work the digest of everything that it computes, by name.

    Args:
        emulated: the processor that QEMU plays; None for this one.
    """
    before = [] if emulated is None else [EMULATOR, "-cpu", emulated]
    python = [sys.executable, "-m", "benchmarks.parts.processors_played"]
    command = [*before, *python, str(folder), *kinds]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    # Before it come the lines that training prints.
    return json.loads(done.stdout.splitlines()[-1])


def differences(here: dict[str, str], there: dict[str, str]) -> list[str]:
    """Return the names whose bytes are not the same, or that only one of the two has."""
    return [name for name in {**here, **there} if here.get(name) != there.get(name)]


if __name__ == "__main__":
    main()
