"""Memory and disk in a training run: how much was held, and advice where they run out."""

import errno
import os
import re
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from verdict.core.errors import VerdictError
from verdict.params.training import Train
from verdict.runtime.batch_processes import ProcessEnded

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
_SHARED_MEMORY = "/dev/shm"  # nosec B108 # only looked at
#: Less than any batch needs.
_LITTLE = 2**20  # bytes
#: How an error in a process that prepares batches shows.
_RAISED = re.compile(r"Caught (\w+) in DataLoader worker process \d+\.\nOriginal Traceback")
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
        disk_full = getattr(error, "errno", None) == errno.ENOSPC
        if any(s in text for s in _NO_SHARED_MEMORY) or (disk_full and _shared_memory_is_full()):
            raise VerdictError(
                f"the shared memory ({_SHARED_MEMORY}) is full, through which batches come from "
                "the processes that prepare them; give the container more (--shm-size), or set "
                "train.dataloader_num_workers=0"
            ) from error
        if disk_full or any(s in text for s in _DISK_FULL):
            raise VerdictError(
                "no space left on the disk; no adapter is published, and the complete checkpoints "
                "are kept. Free some space (old runs lie in .checkpoints/) and run `dvc repro` "
                "again: it resumes"
            ) from error
        if any(s in text for s in _NO_MEMORY):
            raise VerdictError(_memory_advice(train)) from error
        if problem := _in_batch_process(error):
            raise VerdictError(
                f"a process that prepares batches {problem}. No adapter is published, and the "
                "complete checkpoints are kept: `dvc repro` resumes. Where it fails again, set "
                "train.dataloader_num_workers=0, which needs less memory and shows where it fails"
            ) from error
        raise


def _shared_memory_is_full() -> bool:
    """Say whether it is: a lock that does not fit there fails as a file on a full disk does."""
    try:
        system = os.statvfs(_SHARED_MEMORY)
    except OSError:  # not every system has it as a folder
        return False
    return system.f_bavail * system.f_frsize < _LITTLE


def _in_batch_process(error: Exception) -> str | None:
    """Return what happened in a process that prepares batches, if the error tells of one."""
    text = str(error)
    if isinstance(error, ProcessEnded):
        return f"{text} (the system kills where memory runs out)"
    if raised := _RAISED.match(text):
        # At the end of its traceback, where there is any.
        message = re.split(rf"\n[\w.]*{raised[1]}: ", text)[1:]
        return f"failed with {raised[1]}{': ' + message[-1].strip() if message else ''}"
    return None


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


def peak_memory(device: torch.device) -> float:
    """Return the most memory that this process has held so far, in GB: the GPU's, or its own."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    # Linux counts in kilobytes, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
