"""Our evaluation against the way of a notebook: records a second, same records, same model.

``make bench name=evaluate`` needs the recipe's inputs (``dvc repro format fetch_model@base`` makes
them). The notebook asks about one image at a time, with ``generate``, and reads the answer with a
regular expression; ours scores the candidate answers, or generates, in batches. Both begin with
the records on disk and stop at the end of the turn. The ways take turns, so that a busy machine
slows all of them.
"""

import argparse
import re
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.parts.table import Figure, conclude
from verdict.core.paths import BASE, CHAT, RECORDS
from verdict.params import Params
from verdict.params.file import read_params
from verdict.reproducibility import go_offline, pin_cpu

RECORDS_ONE_BY_ONE, ROUNDS = 32, 5


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluate", description=__doc__)
    parser.add_argument(
        "--records", type=int, help="in batches; all of the test split if not given"
    )
    parser.add_argument("--one-by-one", type=int, default=RECORDS_ONE_BY_ONE, help="as a notebook")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    params = read_params()
    pin_cpu(params.reproducibility)
    go_offline()
    ways = prepare_ways(params)
    rows = ways.conversations[: arguments.records]
    few = rows[: arguments.one_by_one]
    by_hand, scored, generated = ways.by_hand(few), ways.scored(rows), ways.generated(rows)
    speeds: dict[str, list[float]] = {"hand": [], "score": [], "generate": []}
    for _ in range(arguments.rounds):
        speeds["hand"].append(speed(ways.by_hand, few))
        speeds["score"].append(speed(ways.scored, rows))
        speeds["generate"].append(speed(ways.generated, rows))
    conclude(
        f"evaluation, batches of {ways.batch_size}, {ways.device}",
        [
            Figure("notebook: one image at a time", statistics.median(speeds["hand"]), "records/s"),
            Figure("scoring", statistics.median(speeds["score"]), "records/s"),
            Figure("generation", statistics.median(speeds["generate"]), "records/s"),
            Figure("scoring over notebook", ratio(speeds, "score"), "", ">=", 8),
            Figure("generation over notebook", ratio(speeds, "generate"), "", ">=", 6),
            Figure("same generated answers", agreement(by_hand, generated), "", "=", 1),
            Figure("same answer by scoring", agreement(by_hand, scored)),
        ],
    )


@dataclass(frozen=True)
class Ways:
    """Three ways to ask one model about conversations; each returns labels by record id."""

    loaded: Any
    #: Has decided how it scores before anything is measured, as in a long run.
    scorer: Any
    images: Any
    answers: Any
    conversations: list[Any]
    batch_size: int
    max_new_tokens: int
    device: str

    def by_hand(self, rows: Sequence[Any]) -> dict[str, str | None]:
        """Ask as notebooks do."""
        import torch

        from verdict.models.chat import images_of

        model, processor = self.loaded.model, self.loaded.processor
        tokenizer = processor.tokenizer
        end = tokenizer.convert_tokens_to_ids("<end_of_turn>")
        found: dict[str, str | None] = {}
        for row in rows:
            text = processor.apply_chat_template(
                row.prompt, add_generation_prompt=True, tokenize=False
            )
            inputs = processor(
                images=[images_of(row, self.images)],
                text=[text],
                return_tensors="pt",
                add_special_tokens=False,
            ).to(self.device)
            with torch.inference_mode():
                output = model.generate(
                    **inputs,
                    do_sample=False,
                    max_new_tokens=self.max_new_tokens,
                    eos_token_id=[end, tokenizer.eos_token_id],
                    pad_token_id=tokenizer.pad_token_id,
                )
            answer = tokenizer.decode(
                output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True
            )
            matched = [
                label
                for label, sentence in self.answers.answers.items()
                if re.search(re.escape(sentence), answer, re.IGNORECASE)
            ]
            found[row.id] = matched[0] if len(matched) == 1 else None
        return found

    def scored(self, rows: Sequence[Any]) -> dict[str, str | None]:
        from verdict.models.chat import candidate_ids

        found: dict[str, str | None] = {}
        for batch in self._batches(rows):
            prompt = batch.conversations[0].prompt
            candidates = candidate_ids(self.loaded.processor, prompt, self.answers)
            scored = self.scorer(batch.inputs, candidates)
            for row, scores in zip(batch.conversations, scored, strict=True):
                found[row.id] = self.answers.labels[scores.index(max(scores))]
        return found

    def generated(self, rows: Sequence[Any]) -> dict[str, str | None]:
        from verdict.answers.generation import generate_answers
        from verdict.models.chat import end_of_turn_id
        from verdict.parse import parse_answer

        found: dict[str, str | None] = {}
        for batch in self._batches(rows):
            texts = generate_answers(
                self.loaded.model,
                self.loaded.processor,
                batch.inputs,
                end_of_turn=end_of_turn_id(self.loaded.processor, batch.conversations[0].prompt),
                max_new_tokens=self.max_new_tokens,
            )
            for row, text in zip(batch.conversations, texts, strict=True):
                found[row.id] = parse_answer(text, self.answers).label
        return found

    def _batches(self, rows: Sequence[Any]) -> Iterator[Any]:
        from verdict.answers.batches import batches

        return batches(self.loaded.processor, rows, self.images, self.batch_size, self.device)


def prepare_ways(params: Params) -> Ways:
    """Load the recipe's base, and what it is asked about."""
    from verdict.answers.inference import load_for_inference
    from verdict.answers.score import Scorer
    from verdict.conversations import read_answers, read_conversations
    from verdict.records.shards import ImageStore
    from verdict.reproducibility import device_name, make_deterministic

    device = device_name(params.reproducibility)
    make_deterministic(0, strict=params.reproducibility.strict)
    loaded = load_for_inference(BASE, BASE / "config.json", params.model, device)
    return Ways(
        loaded=loaded,
        scorer=Scorer(loaded.model),
        images=ImageStore(RECORDS),
        answers=read_answers(CHAT),
        conversations=read_conversations(CHAT / "test.jsonl"),
        batch_size=params.evaluate.batch_size,
        max_new_tokens=params.evaluate.max_new_tokens,
        device=device,
    )


def speed(way: Callable[[Sequence[Any]], Any], rows: Sequence[Any]) -> float:
    """Return how many records a second a way gets done."""
    started = time.perf_counter()
    way(rows)
    return len(rows) / (time.perf_counter() - started)


def ratio(speeds: dict[str, list[float]], way: str) -> float:
    """Return the median over rounds of how many times as fast as the notebook a way is."""
    return statistics.median(a / b for a, b in zip(speeds[way], speeds["hand"], strict=True))


def agreement(some: dict[str, str | None], others: dict[str, str | None]) -> float:
    """Return the share of the records of ``some`` with the same label in ``others``."""
    return sum(others[id_] == label for id_, label in some.items()) / len(some)


if __name__ == "__main__":
    main()
