"""Turn what torch and the system throw in a training run into advice."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from verdict.errors import VerdictError
from verdict.params_training import Train

#: How a full disk shows where the writer is not Python: safetensors, torch's archive writer.
_DISK_FULL = (
    "No space left on device",
    "StorageFull",
    "PytorchStreamWriter failed writing",
    "unexpected pos",
    "iostream error",
)
#: How shared memory that is full shows, in a process that prepares batches.
_NO_SHARED_MEMORY = ("unable to write to file </torch_", "unable to allocate shared memory")
#: How an allocation that fails shows on a CPU.
_NO_MEMORY = ("can't allocate memory", "not enough memory", "Cannot allocate memory")


@contextmanager
def explained(train: Train) -> Iterator[None]:
    """Raise a VerdictError with what to change where memory or disk run out; pass on the rest."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise VerdictError(_memory_advice(train)) from error
    except Exception as error:
        text = str(error)
        if any(s in text for s in _NO_SHARED_MEMORY):
            raise VerdictError(
                "the shared memory (/dev/shm) is full, through which batches come from the "
                "processes that prepare them; give the container more (--shm-size), or set "
                "train.dataloader_num_workers=0"
            ) from error
        if getattr(error, "errno", None) == errno.ENOSPC or any(s in text for s in _DISK_FULL):
            raise VerdictError(
                "no space left on the disk; no adapter is published, and the complete checkpoints "
                "are kept. Free some space (old runs lie in .checkpoints/) and run `dvc repro` "
                "again: it resumes"
            ) from error
        if any(s in text for s in _NO_MEMORY):
            raise VerdictError(_memory_advice(train)) from error
        raise


def _memory_advice(train: Train) -> str:
    size = train.per_device_train_batch_size
    advice = []
    if size > 1:
        advice.append(
            f"lower train.per_device_train_batch_size (now {size}) and raise "
            f"train.gradient_accumulation_steps (now {train.gradient_accumulation_steps}) by the "
            "same factor, which gives the same optimizer steps"
        )
    if not train.gradient_checkpointing:
        advice.append("set train.gradient_checkpointing=true")
    if train.method == "full":
        advice.append("set train.method=lora")
    advice.append("set quantization.load_in_4bit=true, or lower extract.size")
    return (
        "memory ran out in training; no adapter is published, and the complete checkpoints are "
        "kept. " + "; or ".join(advice)
    )
