"""The image's entry: lay out the project, run the command, and hand on the wish to stop.

    docker run IMAGE COMMAND …

In an empty folder the image's own commit is laid out; a mounted clone is used as it is. On SIGTERM
dvc, make and shells would die at once, and the container with them, before training has saved its
checkpoint. So the signal goes to what they have started; they end when that has ended.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil

SOURCE = Path(__file__).resolve().parents[2]

_LAUNCHERS = {"bash", "dash", "dvc", "make", "sh"}


def lay_out(source: Path, folder: Path) -> None:
    """Copy the project into an empty folder; leave a folder that holds one as it is.

    Raises:
        SystemExit: the folder holds something else, or cannot be written.
    """
    if (folder / "dvc.yaml").exists():
        return
    if any(folder.iterdir()):
        sys.exit(
            f"{folder} is neither empty nor this project: there is no dvc.yaml. Mount an empty "
            "folder or volume, or a clone of the project."
        )
    try:
        shutil.copytree(source, folder, symlinks=True, dirs_exist_ok=True)
    except (OSError, shutil.Error) as error:
        sys.exit(
            f"The project cannot be written into {folder} as user {os.getuid()}: {error}. Mount a "
            "folder or volume there that this user may write, such as an emptyDir or a tmpfs."
        )


def working(process: psutil.Process) -> list[psutil.Process]:
    """Return the processes that work: ``process``, or what it has launched if it is a launcher."""
    try:
        names = {os.path.basename(argument) for argument in process.cmdline()[:3]}
        children = process.children()
    except psutil.NoSuchProcess:
        return []
    if children and names & _LAUNCHERS:
        return [worker for child in children for worker in working(child)]
    return [process]


def run(command: list[str]) -> int:
    """Run the command to its end and return its exit code, as a shell gives it."""
    try:
        child = subprocess.Popen(command)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return 127

    def stop(*_: object) -> None:
        for worker in working(psutil.Process(child.pid)):
            worker.terminate()

    signal.signal(signal.SIGTERM, stop)
    # Ctrl-C reaches the command from the terminal.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = child.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    lay_out(SOURCE, Path.cwd())
    sys.exit(run(sys.argv[1:]))
