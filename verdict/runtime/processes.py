"""Several processes that train together: which one is this, and starting the others."""

import os
import signal
import subprocess
import sys
from types import FrameType

import psutil

from verdict.core.errors import VerdictError
from verdict.params.training import Train

_STARTED = "VERDICT_LAUNCHED"


def is_main() -> bool:
    """Say whether this process is the first of its run, which alone writes and reports."""
    return os.environ.get("RANK", "0") == "0"


def launch(options: Train, module: str, *arguments: str) -> None:
    """Run ``python -m module arguments`` under ``train.launcher`` and exit with its code.

    Returns at once where there is no launcher, or in a process that one has started.

    Raises:
        VerdictError: the launcher did not start as many processes as it should.
    """
    if options.launcher == "none":
        return
    if _STARTED in os.environ:
        _check_count(options)
        return
    command = [sys.executable, "-m", *_launcher(options), *options.launcher_args, "-m", module]
    command += arguments
    environment = {**os.environ, _STARTED: options.launcher}
    # In a group of its own, so that it gets Ctrl-C from here alone.
    process = subprocess.Popen(command, env=environment, process_group=0)
    told: list[psutil.Process] = []

    def pass_on(number: int, _: FrameType | None) -> None:
        for receiver in _receivers(process.pid):
            told.append(receiver)
            receiver.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pass_on)
    code = process.wait()
    # They save a checkpoint before they end.
    psutil.wait_procs(told)
    sys.exit(code)


def _receivers(launcher: int) -> list[psutil.Process]:
    """Return who is to be told to stop: the training where nobody in between passes it on.

    torchrun's agent tells its processes; ``accelerate launch`` with one process just ends.
    """
    try:
        process = psutil.Process(launcher)
        alone = [p for p in process.children() if "TORCHELASTIC_RUN_ID" not in p.environ()]
    except psutil.Error:
        return []
    return alone or [process]


def _launcher(options: Train) -> list[str]:
    count = str(options.num_processes)
    if options.launcher == "accelerate":
        return ["accelerate.commands.launch", "--num_processes", count]
    several_machines = "PET_NNODES" in os.environ or any(
        argument.replace("_", "-").startswith(("--nnodes", "--rdzv"))
        for argument in options.launcher_args
    )
    alone = [] if several_machines else ["--standalone"]
    return ["torch.distributed.run", *alone, "--nproc-per-node", count]


def _check_count(options: Train) -> None:
    started = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if started != options.num_processes:
        raise VerdictError(
            f"train.num_processes is {options.num_processes}, but {options.launcher} started "
            f"{started}. On CPUs `accelerate launch` runs one process silently: set "
            "train.launcher to torchrun, or give it a configuration by train.launcher_args"
        )
