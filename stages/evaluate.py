"""Ask one model about every test record, and write its predictions and metrics.

The validation split is asked about too, where ``evaluate.validation`` says so: thresholds are
chosen there. Killed, it goes on where it stopped.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from verdict.core.paths import (
    CHAT,
    METRICS,
    PREDICTIONS,
    RECORDS,
    TEST_CHAT,
    VALIDATION_PREDICTIONS,
)
from verdict.params import Params
from verdict.pipeline.stage import key_of, run
from verdict.reproducibility import device_of_workers, go_offline, pin_cpu
from verdict.runtime.resume import discard, exclusive

if TYPE_CHECKING:
    from verdict.predictions import Predictions


@dataclass(frozen=True)
class Asked:
    """What a model answered, and the folder that keeps its batches until that is written.

    Attributes:
        predictions: one a file of conversations; empty where it was not to be asked about.
        rates: the records a second of each file that was asked about now.
    """

    predictions: "list[Predictions]"
    rates: list[float]
    folder: Path


def main(name: str, params: Params) -> None:
    pin_cpu(params.reproducibility)
    go_offline()
    validation = CHAT / "validation.jsonl"
    chats = {TEST_CHAT: True, validation: params.evaluate.validation}
    with asking(name, params, RECORDS, chats) as asked:
        from verdict.predictions import write_predictions
        from verdict.statistics.measurement import write_measurement
        from verdict.tracking.stages import keep_throughput

        test, other = asked.predictions
        write_predictions(PREDICTIONS / f"{name}.parquet", test)
        if asked.rates:
            keep_throughput(PREDICTIONS / f"{name}.parquet", asked.rates[0])
        write_predictions(VALIDATION_PREDICTIONS / f"{name}.parquet", other)
        write_measurement(METRICS, name, test)
        discard(asked.folder)


@contextmanager
def asking(name: str, params: Params, records: Path, chats: Mapping[Path, bool]) -> Iterator[Asked]:
    """Ask one model about files of conversations, each with whether it is to be asked about.

    The processor is pinned before.

    Args:
        records: the folder of their records; those of examples are in the task's own.
    """
    # Imported only now: torch must find the pins in its environment.
    from verdict.answers.evaluation import FinishedBatches, folder_for, predict
    from verdict.answers.evaluator import AnswerOptions
    from verdict.answers.examples import read_examples
    from verdict.answers.workers import open_evaluator
    from verdict.conversations import read_answers, read_conversations
    from verdict.reproducibility import make_deterministic

    device = device_of_workers(params.reproducibility, params.compute)
    make_deterministic(0, strict=params.reproducibility.strict)
    chosen, answers = params.evaluate.models[name], read_answers(CHAT)
    model, adapter = Path(chosen.model), Path(chosen.adapter)
    examples = read_examples(name, chosen.examples, CHAT, answers.labels)
    settings = {
        **asdict(AnswerOptions.of(params.evaluate)),
        "dtype": params.model.dtype,
        "attn_implementation": params.model.attn_implementation,
        "reproducibility": params.reproducibility.model_dump(),
        # Which device auto means decides, too.
        "device": device,
        "examples": [asdict(example) for example in examples],
    }
    folders = list(dict.fromkeys([records, RECORDS] if examples else [records]))
    folder = folder_for([model, adapter, *chats, CHAT / "answers.json", *folders], settings)
    with (
        exclusive(folder, "evaluation of the same model on the same records", stage="evaluate"),
        open_evaluator(model, adapter, folders, answers, params, device, examples) as evaluator,
    ):
        rates = list[float]()
        predictions = [
            predict(
                name,
                evaluator,
                read_conversations(chat) if asked else [],
                finished=FinishedBatches(folder / chat.stem),
                on_rate=rates.append,
            )
            for chat, asked in chats.items()
        ]
        yield Asked(predictions, rates, folder)


if __name__ == "__main__":
    key = key_of(sys.argv[1])
    run(f"evaluate@{key}", lambda params: main(key, params))
