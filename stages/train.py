"""Fine-tune the base on the training conversations; save what learned, with its origin."""

from pathlib import Path

from verdict.params import Params
from verdict.processes import launch
from verdict.reproducibility import go_offline, pin_cpu
from verdict.stage import run

BASE, ADAPTER, RECORDS = Path("models/base"), Path("models/adapter"), Path("data/records")
CHAT, METRICS = Path("data/chat"), Path("metrics")


def main(params: Params) -> None:
    pin_cpu(params.reproducibility)
    go_offline()
    launch(params.train, "stages.train")
    # Imported only now: torch must find the pins in its environment.
    from verdict.models.adapter import describe_origin
    from verdict.models.checkpoints import discard, exclusive, folder_for
    from verdict.models.failures import explained
    from verdict.models.load import load_model, load_processor
    from verdict.models.publish import RunRecord, publish
    from verdict.models.train import Task, train_model
    from verdict.records.conversations import read_answers, read_conversations
    from verdict.records.shards import ImageStore
    from verdict.reproducibility import device_name, make_deterministic
    from verdict.stage_inputs import stage_inputs

    device = device_name(params.reproducibility)
    inputs = stage_inputs("train")
    labels = read_answers(CHAT).labels if params.model.task == "classify" else None
    task = Task(
        train_conversations=read_conversations(CHAT / "train.jsonl"),
        validation_conversations=read_conversations(CHAT / "validation.jsonl"),
        images=ImageStore(RECORDS),
        labels=labels,
        train=params.train,
        lora=params.lora,
        model=params.model,
        # Which device auto means decides, too.
        checkpoints=folder_for({**inputs.as_json(), "device": device}),
        device=device,
    )
    origin = describe_origin(
        base_name=params.models["base"].name,
        base_revision=params.models["base"].revision,
        digests=inputs.digests,
        labels=labels,
        parameters={
            name: getattr(params, name).model_dump()
            for name in ("model", "quantization", "lora", "train", "reproducibility")
        },
    )
    with (
        explained(params.train),
        exclusive(task.checkpoints),
        RunRecord(params.tracking, METRICS, origin) as record,
    ):
        make_deterministic(params.train.seed, strict=params.reproducibility.strict)
        processor = load_processor(BASE)
        training = train_model(
            load_model(BASE, params.model, device, params.quantization, labels),
            processor,
            task,
            on_preflight=record.preflight,
            on_point=record.point,
        )
        if training.is_main:
            publish(training, ADAPTER, METRICS, processor, origin, params.model.dtype)
            record.trained(ADAPTER, BASE)
            discard(task.checkpoints)


if __name__ == "__main__":
    run("train", main)
