"""A real Gemma 3's training against plain trl: same weights, rows, batch, precision and threads.

``make bench name=real`` needs the inputs of recipes/laptop/patient-linkage (``python -m
tools.recipe use laptop/patient-linkage``, then ``dvc repro format fetch_model@base``). Each run is
a process of its own: ours is the stage's trainer with its pre-flight, trl's an ``SFTTrainer`` with
its own settings, which gets the same rows as token ids. Both take two threads and the processor's
own instruction set, and recompute activations, as trl does by itself; the two take turns. Ours is
then run with the pinned instruction set, so that one sees what that costs.
"""

import json
import statistics
import subprocess
import sys
from typing import Any

from benchmarks.parts.table import Figure, conclude
from verdict.runtime.progress import progress

STEPS, ROUNDS = 4, 3
WAYS = ("trl", "ours", "pinned")


def main() -> None:
    runs: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    with progress("real", ROUNDS * len(WAYS), unit="runs") as bar:
        for _ in range(ROUNDS):
            for way in WAYS:
                runs[way].append(run(way))
                bar.advance(1)
    speed = {way: [r["tokens"] / r["seconds"] for r in runs[way]] for way in WAYS}
    memory = {way: max(r["peak_bytes"] for r in runs[way]) / 1e9 for way in WAYS}
    faster = [a / b for a, b in zip(speed["ours"], speed["trl"], strict=True)]
    pinned = [a / b for a, b in zip(speed["pinned"], speed["ours"], strict=True)]
    apart = abs(runs["ours"][0]["first_loss"] - runs["trl"][0]["first_loss"])
    conclude(
        f"training Gemma 3 270M, LoRA, {runs['ours'][0]['rows']} rows a step, 2 threads",
        [
            Figure("trl", statistics.median(speed["trl"]), "tokens/s"),
            Figure("ours", statistics.median(speed["ours"]), "tokens/s"),
            Figure("ours over trl, median of rounds", statistics.median(faster), "", ">=", 4),
            Figure("pinned instruction set over native", statistics.median(pinned), beside=True),
            Figure("trl's memory at most", memory["trl"], "GB"),
            Figure("ours at most", memory["ours"], "GB"),
            Figure("ours over trl's", memory["ours"] / memory["trl"], "", "<=", 0.5),
            Figure("difference of the first loss", apart, "", "<=", 1e-4),
        ],
    )


def run(way: str) -> dict[str, Any]:
    """Train in a process of its own; return what it measured."""
    command = [sys.executable, "-m", "benchmarks.parts.real_training", way, str(STEPS)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{way}: {done.stderr.strip() or done.stdout.strip()}")
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
