"""Fine-tune the base on the training conversations, and save the adapter with its origin."""

from pathlib import Path

from verdict.files import write_csv, write_json
from verdict.params import Params
from verdict.reproducibility import go_offline, pin_cpu
from verdict.stage import run

BASE, ADAPTER, RECORDS = Path("models/base"), Path("models/adapter"), Path("data/records")
CHAT = Path("data/chat/train.jsonl")


def main(params: Params) -> None:
    pin_cpu(params.reproducibility)
    go_offline()
    # Imported only now: torch must find the pins in its environment.
    from verdict.models.adapter import describe_origin, save_adapter
    from verdict.models.load import load_model, load_processor
    from verdict.models.train import train_adapter
    from verdict.records.conversations import read_conversations
    from verdict.records.shards import ImageStore
    from verdict.reproducibility import device_name, make_deterministic

    device = device_name(params.reproducibility)
    make_deterministic(params.train.seed)
    processor = load_processor(BASE)
    training = train_adapter(
        load_model(BASE, params.model, device, params.quantization),
        processor,
        read_conversations(CHAT),
        ImageStore(RECORDS),
        options=params.train,
        lora=params.lora,
        model_options=params.model,
        device=device,
    )
    origin = describe_origin(
        base=BASE,
        base_name=params.models["base"].name,
        base_revision=params.models["base"].revision,
        chat=CHAT,
        records=RECORDS,
        parameters={
            name: getattr(params, name).model_dump()
            for name in ("model", "quantization", "lora", "train", "reproducibility")
        },
    )
    save_adapter(ADAPTER, training.model, processor, origin)
    write_csv(
        "metrics/plots/loss.csv",
        tuple(training.log[0]),
        [tuple(entry.values()) for entry in training.log],
    )
    write_json("metrics/train.json", training.summary())


if __name__ == "__main__":
    run("train", main)
