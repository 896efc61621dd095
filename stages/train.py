"""Fine-tune the base on the training conversations; save what learned, with its origin.

With a name of ``replicates`` the same is done again with that seed, beside the first.
"""

import sys
from pathlib import Path

from verdict.core.paths import ADAPTER, BASE, CHAT, METRICS, RECORDS, REPLICATE_METRICS, REPLICATES
from verdict.params import Params
from verdict.params.training import Train
from verdict.pipeline.stage import key_of, run
from verdict.reproducibility import go_offline, pin_cpu
from verdict.runtime.processes import launch


def main(params: Params, replicate: str | None) -> None:
    pin_cpu(params.reproducibility, compiled=params.train.torch_compile)
    go_offline()
    launch(params.train, "stages.train", *sys.argv[1:])
    if replicate is None:
        fine_tune(params, params.train, "train", ADAPTER, METRICS)
        return
    train = params.train.model_copy(update={"seed": params.replicates[replicate]})
    folders = REPLICATES / replicate, REPLICATE_METRICS / replicate
    fine_tune(params, train, f"replicate@{replicate}", *folders)


def fine_tune(params: Params, train: Train, stage: str, adapter: Path, metrics: Path) -> None:
    """Train as ``train`` says, and write what comes of it into the two folders."""
    # Imported only now: torch must find the pins in its environment.
    from verdict.conversations import read_answers, read_conversations
    from verdict.models.load import load_model, load_processor
    from verdict.models.provenance import describe_origin, read_provenance
    from verdict.pipeline.inputs import stage_inputs
    from verdict.records.shards import ImageStore
    from verdict.reproducibility import device_name, make_deterministic
    from verdict.runtime.failures import explained
    from verdict.runtime.resume import discard, exclusive, folder_of
    from verdict.tracking.stages import RunRecord
    from verdict.training.job import TrainingJob, train_model
    from verdict.training.results import write_preflight, write_results

    device = device_name(params.reproducibility)
    inputs = stage_inputs(stage)
    answers = read_answers(CHAT)
    labels = answers.labels if params.model.task == "classify" else None
    job = TrainingJob(
        train_conversations=read_conversations(CHAT / "train.jsonl"),
        validation_conversations=read_conversations(CHAT / "validation.jsonl"),
        images=ImageStore(RECORDS),
        labels=labels,
        train=train,
        lora=params.lora,
        model=params.model,
        # Which device auto means decides, too.
        checkpoints=folder_of("train", {**inputs.as_json(), "device": device}),
        device=device,
    )
    origin = describe_origin(
        base_name=params.models["base"].name,
        base_revision=params.models["base"].revision,
        base_weights=read_provenance(BASE).get("weights"),
        digests=inputs.digests,
        labels=labels,
        parameters={
            name: (train if name == "train" else getattr(params, name)).model_dump()
            for name in ("model", "quantization", "lora", "train", "reproducibility")
        },
    )
    with (
        explained(train),
        exclusive(
            job.checkpoints, "training with the same parameters, data and base", stage="train"
        ),
        RunRecord(params.tracking, metrics, origin, name=key_of(stage)) as record,
    ):
        make_deterministic(train.seed, strict=params.reproducibility.strict)
        processor = load_processor(BASE, answers.form)
        training = train_model(
            load_model(BASE, params.model, device, params.quantization, labels),
            processor,
            job,
            on_preflight=lambda checks: write_preflight(checks, metrics),
            on_point=record.point,
        )
        if training.is_main:
            write_results(training, adapter, metrics, processor, origin, params.model.dtype)
            record.trained(adapter, BASE)
            discard(job.checkpoints)


if __name__ == "__main__":
    name = key_of(sys.argv[1]) if len(sys.argv) > 1 else None
    run(f"replicate@{name}" if name else "train", lambda params: main(params, name))
