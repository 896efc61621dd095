"""Ask one model about every test record, and write its predictions and metrics.

The validation split is asked about too, where ``evaluate.validation`` says so: thresholds are
chosen there. Killed, it goes on where it stopped.
"""

import sys
from dataclasses import asdict
from pathlib import Path

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


def main(name: str, params: Params) -> None:
    pin_cpu(params.reproducibility)
    go_offline()
    # Imported only now: torch must find the pins in its environment.
    from verdict.answers.evaluation import FinishedBatches, folder_for, predict
    from verdict.answers.evaluator import AnswerOptions
    from verdict.answers.examples import read_examples
    from verdict.answers.workers import open_evaluator
    from verdict.conversations import read_answers, read_conversations
    from verdict.predictions import write_predictions
    from verdict.reproducibility import make_deterministic
    from verdict.statistics.measurement import write_measurement
    from verdict.tracking.stages import keep_throughput

    device = device_of_workers(params.reproducibility, params.compute)
    make_deterministic(0, strict=params.reproducibility.strict)
    chosen, answers = params.evaluate.models[name], read_answers(CHAT)
    model, adapter = Path(chosen.model), Path(chosen.adapter)
    examples = read_examples(name, chosen.examples, CHAT, answers.labels)
    chats = [TEST_CHAT, CHAT / "validation.jsonl"]
    settings = {
        **asdict(AnswerOptions.of(params.evaluate)),
        "dtype": params.model.dtype,
        "attn_implementation": params.model.attn_implementation,
        "reproducibility": params.reproducibility.model_dump(),
        # Which device auto means decides, too.
        "device": device,
        "examples": [asdict(example) for example in examples],
    }
    folder = folder_for([model, adapter, *chats, CHAT / "answers.json", RECORDS], settings)
    with (
        exclusive(folder, "evaluation of the same model on the same records", stage="evaluate"),
        open_evaluator(model, adapter, RECORDS, answers, params, device, examples) as evaluator,
    ):
        rates = list[float]()
        test, validation = (
            predict(
                name,
                evaluator,
                read_conversations(chat) if asked else [],
                finished=FinishedBatches(folder / chat.stem),
                on_rate=rates.append,
            )
            for chat, asked in zip(chats, (True, params.evaluate.validation), strict=True)
        )
        write_predictions(PREDICTIONS / f"{name}.parquet", test)
        if rates:
            keep_throughput(PREDICTIONS / f"{name}.parquet", rates[0])
        write_predictions(VALIDATION_PREDICTIONS / f"{name}.parquet", validation)
        write_measurement(METRICS, name, test)
        discard(folder)


if __name__ == "__main__":
    key = key_of(sys.argv[1])
    run(f"evaluate@{key}", lambda params: main(key, params))
