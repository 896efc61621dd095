"""Pin what makes two machines compute the same numbers. Call ``pin_cpu`` before torch is imported.

Different instruction sets round differently in the last bit, and training amplifies that. On
x86-64 the libraries under torch choose their kernels when they are first used, by these
variables:

- ``ATEN_CPU_CAPABILITY``: torch's own kernels
- ``ONEDNN_MAX_CPU_ISA``: oneDNN (convolutions, some matrix products)
- ``MKL_CBWR``: MKL's conditional numerical reproducibility (matrix products)
- ``NPY_DISABLE_CPU_FEATURES``: numpy's transcendental functions

What they cannot reach is put right by ``verdict.reproducibility.kernels``, once torch is there.
Training on a CPU uses the fused AdamW, whose square root is the processor's own.
"""

import ctypes
import os
import random
import sys

from verdict.params import Compute, Reproducibility

_AVX2 = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "COMPATIBLE",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
}


def pin_cpu(options: Reproducibility, *, compiled: bool = False) -> None:
    """Set the variables that fix instruction set and thread count for this process.

    Args:
        compiled: whether ``torch.compile`` may compile (``train.torch_compile``). Otherwise it
            leaves functions as they are, those of bitsandbytes too: what they compute would depend
            on the machine's C++ compiler, and each process would begin a second later.

    Raises:
        RuntimeError: torch is already loaded, so that the pins would come too late.
    """
    if "torch" in sys.modules:
        raise RuntimeError("pin_cpu() must run before torch is imported")
    if options.cpu_isa == "avx2":
        os.environ.update(_AVX2)
    if options.threads is not None:
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ[name] = str(options.threads)
    if not compiled:
        os.environ["TORCHDYNAMO_DISABLE"] = "1"
    # Waiting threads sleep instead of spinning: on a busy machine spinning costs far more.
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    if options.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    if options.device == "mps":
        # What Apple's GPU cannot compute, the CPU does.
        os.environ["PYTORCH_ENABLE_MPS_FALLBACK"] = "1"
    _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Let glibc keep freed blocks instead of handing them back to the kernel after every step.

    Small training steps on a CPU otherwise spend a third of their time in page faults.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # glibc; other C libraries have no such switch
        libc.mallopt(ctypes.c_int(-1), ctypes.c_int(2**31 - 1))  # M_TRIM_THRESHOLD
        libc.mallopt(ctypes.c_int(-3), ctypes.c_int(2**30))  # M_MMAP_THRESHOLD


def go_offline() -> None:
    """Forbid the hub: after ``fetch`` all is on disk, and nothing may come from elsewhere."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["HF_DATASETS_OFFLINE"] = "1"
    os.environ["TRANSFORMERS_OFFLINE"] = "1"


def device_name(options: Reproducibility) -> str:
    """Return ``cpu``, ``cuda`` or ``mps``; ``auto`` is never the last, which is not strict.

    Raises:
        VerdictError: a GPU is asked for and none can be used.
    """
    import torch

    from verdict.core.errors import VerdictError

    if options.device == "mps":
        if torch.backends.mps.is_available():
            return "mps"
        raise VerdictError(
            "reproducibility.device is mps, but torch finds no GPU of Apple's: it needs a Mac with "
            "Apple silicon, macOS 14 and torch for arm64; or set reproducibility.device to cpu"
        )
    available = torch.cuda.is_available()
    if options.device == "cuda" and not available:
        raise VerdictError(
            "reproducibility.device is cuda, but torch finds no usable GPU; check `nvidia-smi` "
            "and the driver, or set reproducibility.device to auto or cpu"
        )
    return "cuda" if available and options.device != "cpu" else "cpu"


def device_of_workers(options: Reproducibility, compute: Compute) -> str:
    """Return the device of the processes that compute; on a cluster this one need not have it.

    Raises:
        VerdictError: as ``device_name``.
    """
    if compute.engine == "ray" and options.device != "auto":
        return options.device
    return device_name(options)


def seed_everything(seed: int) -> None:
    """Seed Python's, numpy's and torch's generators, on every device."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def make_deterministic(seed: int, *, strict: bool = True) -> None:
    """Seed every generator and, if ``strict``, refuse operations that have no deterministic form.

    Without ``strict`` a GPU may use faster kernels whose sums differ from run to run. Where
    ``pin_cpu`` has pinned this process to AVX2, MKL's kernels are replaced by portable ones.
    """
    import torch

    if os.environ.get("MKL_CBWR") == _AVX2["MKL_CBWR"] and torch.backends.mkl.is_available():
        from verdict.reproducibility.kernels import replace_kernels

        replace_kernels()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    seed_everything(seed)
    torch.use_deterministic_algorithms(strict)
    # Filling new memory with NaN finds reads of what was never written; it changes no result, and
    # takes up to two fifths of a small model's step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
