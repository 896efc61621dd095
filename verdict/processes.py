"""Several processes that train together: which one is this, and starting the others."""

import os
import signal
import subprocess
import sys

from verdict.errors import VerdictError
from verdict.params_training import Train

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
    process = subprocess.Popen(command, env=environment)
    # The processes save a checkpoint before they end. Ctrl-C reaches them from the terminal.
    signal.signal(signal.SIGTERM, lambda *_: process.send_signal(signal.SIGTERM))
    signal.signal(signal.SIGINT, lambda *_: None)
    sys.exit(process.wait())


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
