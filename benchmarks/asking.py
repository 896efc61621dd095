"""A real Gemma 3 asked: against lm-evaluation-harness, and against transformers' own generation.

``make bench name=asking`` needs the inputs of recipes/laptop/patient-linkage (``python -m
tools.recipe use laptop/patient-linkage``, then ``dvc repro format fetch_model@base``). The harness
comes from the package index into a temporary folder. It is given the same token ids, and the batch
size with which it is quickest here; transformers' ``generate`` gets padded batches of the same
size. All compute in float32 with two threads and the processor's own instruction set, and take
turns.
"""

import importlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.parts.table import Figure, conclude
from verdict.core.paths import BASE, CHAT, RECORDS
from verdict.params.file import read_params
from verdict.reproducibility import go_offline, pin_cpu

HARNESS = "lm_eval==0.4.13"
RECORDS_ASKED, ROUNDS, BATCH, WORDS = 8, 3, 8, 12
#: Batch sizes that the harness is tried with.
_SIZES = (1, 4, 8, 16)
_CANDIDATES = {
    2: ("they are the same person", "they are two different persons"),
    8: (
        "they are the same person", "they are two different persons", "probably the same person",
        "probably two different persons", "two members of one family", "the same household",
        "the same person who has moved", "it cannot be told from these",
    ),
}  # fmt: skip

Scores = list[list[float]]


class Ways:
    """One model and its prompts, and how they are asked."""

    def __init__(self) -> None:
        import torch

        from verdict.answers.generation import Writer
        from verdict.answers.inference import load_for_inference
        from verdict.answers.score import Scorer
        from verdict.conversations import read_conversations
        from verdict.models.chat import render_prompt
        from verdict.records.shards import ImageStore

        params = read_params()
        self.images = ImageStore(RECORDS)
        loaded = load_for_inference(
            BASE, BASE / "config.json", params.model, "cpu", form=params.format.form
        )
        self.model, self.processor = loaded.model.to(torch.float32), loaded.processor
        self.tokenizer = self.processor.tokenizer
        self.rows = read_conversations(CHAT / "test.jsonl")[:RECORDS_ASKED]
        self.prompts = [render_prompt(self.processor, row.prompt) for row in self.rows]
        self.scorer = Scorer(self.model)
        self.writer = Writer(self.model, self.processor, WORDS)
        self.harness = importlib.import_module("lm_eval.models.huggingface").HFLM(
            self.model, tokenizer=self.tokenizer, batch_size=BATCH
        )
        self.size = BATCH

    def ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False).input_ids

    def candidates(self, count: int) -> list[list[int]]:
        """Return the answers' tokens: a space, the words, and the end of the text."""
        end = self.tokenizer.eos_token_id
        return [[*self.ids(f" {text}"), end] for text in _CANDIDATES[count]]

    def batches(self) -> Any:
        from verdict.answers.batches import batches

        return batches(self.processor, self.rows, self.images, BATCH, "cpu")

    def scored(self, count: int) -> Scores:
        """Ask by ours; each record's log-probabilities, in the records' order."""
        found: dict[str, list[float]] = {}
        for batch in self.batches():
            scores = self.scorer(batch.inputs, self.candidates(count))
            found |= {row.id: got for row, got in zip(batch.conversations, scores, strict=True)}
        return [found[row.id] for row in self.rows]

    def scored_by_harness(self, count: int) -> Scores:
        requests = [
            ((prompt, ""), self.ids(prompt), candidate)
            for prompt in self.prompts
            for candidate in self.candidates(count)
        ]
        answers = self.harness._loglikelihood_tokens(
            requests, disable_tqdm=True, override_bs=self.size
        )
        flat = [score for score, _ in answers]
        return [flat[start : start + count] for start in range(0, len(flat), count)]

    def written(self) -> list[str]:
        """Write by ours, from the prompts' beginning; in the records' order."""
        found: dict[str, str] = {}
        for batch in self.batches():
            end = self.tokenizer.eos_token_id
            texts = self.writer(batch.inputs, None, end_of_turn=end)
            found |= {row.id: text for row, text in zip(batch.conversations, texts, strict=True)}
        return [found[row.id] for row in self.rows]

    def written_by_transformers(self) -> list[str]:
        import torch

        texts = []
        for start in range(0, len(self.prompts), BATCH):
            inputs = self.tokenizer(
                self.prompts[start : start + BATCH],
                add_special_tokens=False, padding=True, padding_side="left", return_tensors="pt",
            )  # fmt: skip
            with torch.inference_mode():
                output = self.model.generate(**inputs, do_sample=False, max_new_tokens=WORDS)
            new = output[:, inputs["input_ids"].shape[1] :]
            texts += self.tokenizer.batch_decode(new, skip_special_tokens=True)
        return [text.strip() for text in texts]


def timed(way: Callable[..., Any], *given: Any) -> tuple[float, Any]:
    started = time.perf_counter()
    result = way(*given)
    return time.perf_counter() - started, result


def in_turns(
    rival: Callable[..., Any], ours: Callable[..., Any], *given: Any
) -> tuple[float, float, Any, Any]:
    """Return the rival's median seconds, how many times as fast ours is, and what both said."""
    rival(*given), ours(*given)  # what is done once
    runs = [(timed(rival, *given), timed(ours, *given)) for _ in range(ROUNDS)]
    faster = statistics.median(theirs[0] / mine[0] for theirs, mine in runs)
    theirs, mine = runs[0]
    return statistics.median(run[0][0] for run in runs), faster, theirs[1], mine[1]


def chosen(scores: Scores) -> list[int]:
    return [row.index(max(row)) for row in scores]


def equal(some: Sequence[Any], others: Sequence[Any]) -> int:
    return sum(a == b for a, b in zip(some, others, strict=True))


def scoring(ways: Ways, count: int, least: float) -> list[Figure]:
    seconds, faster, theirs, mine = in_turns(ways.scored_by_harness, ways.scored, count)
    apart = max(
        abs(a - b) for pair in zip(theirs, mine, strict=True) for a, b in zip(*pair, strict=True)
    )
    asked = f"{count} answers"
    return [
        Figure(f"harness, {asked}", RECORDS_ASKED / seconds, "records/s"),
        Figure(f"scoring over the harness, {asked}", faster, "", ">=", least),
        Figure(
            f"same answer chosen, {asked}",
            equal(chosen(theirs), chosen(mine)), f"of {RECORDS_ASKED}", "=", RECORDS_ASKED,
        ),
        Figure(f"log-probabilities apart, {asked}", apart, "", "<=", 1e-3),
    ]  # fmt: skip


def main() -> None:
    params = read_params()
    pin_cpu(params.reproducibility.model_copy(update={"cpu_isa": "native", "threads": 2}))
    with tempfile.TemporaryDirectory() as folder:
        # What it needs beyond the project's own packages is not needed for this.
        command = ("-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, HARNESS)
        subprocess.run([sys.executable, *command], check=True)
        sys.path.append(folder)
        go_offline()
        ways = Ways()
        tried = {}
        for ways.size in _SIZES:
            tried[ways.size], _ = timed(ways.scored_by_harness, 2)
        ways.size = min(tried, key=lambda size: tried[size])
        figures = scoring(ways, 2, 1.6) + scoring(ways, 8, 4)
        seconds, faster, theirs, mine = in_turns(ways.written_by_transformers, ways.written)
    conclude(
        f"Gemma 3 270M asked about {RECORDS_ASKED} pairs, 2 threads; the harness's batches of "
        f"{ways.size}",
        [
            *figures,
            Figure("transformers' generate", RECORDS_ASKED / seconds, "records/s"),
            Figure("generation over transformers'", faster, "", ">=", 1),
            Figure("same words", equal(theirs, mine), f"of {RECORDS_ASKED}", "=", RECORDS_ASKED),
        ],
    )


if __name__ == "__main__":
    main()
