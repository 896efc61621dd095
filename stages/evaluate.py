"""Ask one model about every test record, and write its predictions and metrics."""

import sys
from pathlib import Path

from verdict.files import write_csv, write_json
from verdict.params import Params
from verdict.reproducibility import go_offline, pin_cpu
from verdict.stage import run

CHAT, RECORDS = Path("data/chat"), Path("data/records")


def main(name: str, params: Params) -> None:
    pin_cpu(params.reproducibility)
    go_offline()
    # Imported only now: torch must find the pins in its environment.
    from verdict.answers.evaluate import predict
    from verdict.models.inference import load_for_inference
    from verdict.predictions import write_predictions
    from verdict.records.conversations import read_answers, read_conversations
    from verdict.records.shards import ImageStore
    from verdict.reproducibility import device_name, make_deterministic
    from verdict.statistics.measurement import measure

    device = device_name(params.reproducibility)
    make_deterministic(0, strict=params.reproducibility.strict)
    chosen, answers = params.evaluate.models[name], read_answers(CHAT)
    loaded = load_for_inference(Path(chosen.model), Path(chosen.adapter), params.model, device)
    predictions = predict(
        name,
        loaded,
        read_conversations(CHAT / "test.jsonl"),
        ImageStore(RECORDS),
        answers,
        batch_size=params.evaluate.batch_size,
        max_new_tokens=params.evaluate.max_new_tokens,
        device=device,
    )
    write_predictions(f"data/predictions/{name}.parquet", predictions)
    measured = measure(predictions)
    write_json(f"metrics/{name}.json", measured.values())
    write_csv(
        f"metrics/plots/confusion_{name}.csv", ("actual", "predicted"), measured.confusion_rows()
    )


if __name__ == "__main__":
    run(f"evaluate@{sys.argv[1]}", lambda params: main(sys.argv[1], params))
