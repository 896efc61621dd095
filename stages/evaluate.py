"""Ask one model about every test record, and write its predictions and metrics.

The validation split is asked about too, where ``evaluate.validation`` says so: thresholds are
chosen there. Killed, it goes on where it stopped.
"""

import sys
from pathlib import Path

from verdict.core.kept import discard, exclusive
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


def main(name: str, params: Params) -> None:
    pin_cpu(params.reproducibility)
    go_offline()
    # Imported only now: torch must find the pins in its environment.
    from verdict.answers.evaluate import predict
    from verdict.answers.parts import Parts, folder_for
    from verdict.answers.workers import answering
    from verdict.conversations import read_answers, read_conversations
    from verdict.predictions import write_predictions
    from verdict.records.shards import ImageStore
    from verdict.reproducibility import make_deterministic
    from verdict.statistics.measurement import write_measurement
    from verdict.tracking.throughput import keep_throughput

    device = device_of_workers(params.reproducibility, params.compute)
    make_deterministic(0, strict=params.reproducibility.strict)
    options, answers = params.evaluate, read_answers(CHAT)
    chosen = options.models[name]
    model, adapter = Path(chosen.model), Path(chosen.adapter)
    chats = [TEST_CHAT, CHAT / "validation.jsonl"]
    settings = {
        "batch_size": options.batch_size,
        "max_new_tokens": options.max_new_tokens,
        "length_normalization": options.length_normalization,
        "dtype": params.model.dtype,
        "attn_implementation": params.model.attn_implementation,
        "reproducibility": params.reproducibility.model_dump(),
        # Which device auto means decides, too.
        "device": device,
    }
    folder = folder_for([model, adapter, *chats, CHAT / "answers.json", RECORDS], settings)
    with (
        exclusive(folder, "evaluation of the same model on the same records", stage="evaluate"),
        answering(model, adapter, RECORDS, answers, params, device) as (loaded, workers),
    ):
        images, rates = ImageStore(RECORDS), list[float]()
        test, validation = (
            predict(
                name,
                loaded,
                read_conversations(chat) if asked else [],
                images,
                answers,
                batch_size=options.batch_size,
                max_new_tokens=options.max_new_tokens,
                device=device,
                length_normalization=options.length_normalization,
                parts=Parts(folder / chat.stem),
                workers=workers,
                on_rate=rates.append,
            )
            for chat, asked in zip(chats, (True, options.validation), strict=True)
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
