"""Try the remote on one machine: a stand-in for Google Cloud Storage, without an account.

    python -m tools.emulator            start it, and let this project use it (make emulator)
    python -m tools.emulator            in a clone, meanwhile: let the clone use it, too
    python -m tools.emulator --remove   let this project use its own remote again

While it runs, `dvc push`, `dvc pull` and `dvc status -c` speak with it. The setting is in
.dvc/config.local, which git ignores; what is pushed lies in .emulator/. No other machine reaches
it. Ctrl-C ends it; started again it has the same objects.
"""

import errno
import socket
from collections.abc import Sequence
from pathlib import Path

from tools.remote_access import PLAIN_BUCKETS, Remote, project_config
from verdict.core.errors import VerdictError
from verdict.pipeline.command import command, parser_of

#: As in tools.emulated_storage, which is imported only to serve: it needs the server's package.
HOST = "127.0.0.1"
REMOTE = "emulator"
BUCKET = "verdict"
FOLDER = ".emulator"
PORT = 9023

_NEXT = f"""\
This project uses it now: .dvc/config.local says so. In another terminal:
  . .venv/bin/activate
  export {PLAIN_BUCKETS}=false
  dvc push
In a clone of this project `python -m tools.emulator` lets that one use it, too; then dvc pull.
Back to the project's own remote: python -m tools.emulator --remove"""


def use(address: str) -> None:
    """Make the emulator this project's default remote, in ``.dvc/config.local``.

    Raises:
        VerdictError: another default is chosen there, which would be lost.
    """
    with project_config().edit("local") as local:
        chosen = local["core"].get("remote", REMOTE)
        if chosen != REMOTE:
            raise VerdictError(
                f".dvc/config.local chooses the remote {chosen!r}, which the emulator would "
                "replace. First: dvc remote default --local --unset"
            )
        local["core"]["remote"] = REMOTE
        local["remote"][REMOTE] = _section(address)


def remove() -> bool:
    """Take the emulator out of ``.dvc/config.local``; say whether it was there."""
    with project_config().edit("local") as local:
        if local["core"].get("remote") == REMOTE:
            del local["core"]["remote"]
        return local["remote"].pop(REMOTE, None) is not None


def _section(address: str) -> dict[str, str]:
    return {
        "url": f"gs://{BUCKET}",
        "endpointurl": address,
        "allow_anonymous_login": "true",
        "verify": "true",
    }


def serve(port: int) -> None:
    """Run the emulator until it is stopped; where it runs already, only let this project use it.

    Raises:
        VerdictError: it is not installed, or something else has the port.
    """
    if not 0 <= port < 2**16:
        raise VerdictError(f"Port {port} is none: --port takes 1 to 65535, or 0 for any free one.")
    root = Path(project_config().dvc_dir).parent
    # First of all: whoever only points at it needs no server.
    if port and _answers(port):
        address = f"http://{HOST}:{port}"
        _check_running(address, port)
        use(address)
        print(f"The emulator runs already, at {address}.\n{_NEXT}")
        return
    try:
        from tools.emulated_storage import Emulator
    except ModuleNotFoundError as error:
        raise VerdictError(f"{error.name} is not installed: make install-dev.") from None
    try:
        emulator = Emulator(root / FOLDER, BUCKET, port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise _taken(port) from None
    use(emulator.address)
    print(
        f"The emulator runs at {emulator.address} and keeps what is pushed in {FOLDER}/. "
        f"Ctrl-C ends it.\n{_NEXT}",
        flush=True,
    )
    try:
        emulator.serve_forever()
    except KeyboardInterrupt:
        print("\nStopped. `python -m tools.emulator` goes on with the same objects.")


def _answers(port: int) -> bool:
    with socket.socket() as tried:
        tried.settimeout(5)
        return tried.connect_ex((HOST, port)) == 0


def _check_running(address: str, port: int) -> None:
    try:
        Remote({"remote": {REMOTE: _section(address)}}, REMOTE).check_reading()
    except VerdictError:
        raise _taken(port) from None


def _taken(port: int) -> VerdictError:
    return VerdictError(
        f"Port {port} is in use, and not by this emulator. Choose another one: --port NUMBER."
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parser_of("tools.emulator", __doc__)
    parser.add_argument("--port", type=int, default=PORT, help=f"{PORT} if not given")
    parser.add_argument("--remove", action="store_true", help="use the project's own remote again")
    options = parser.parse_args(arguments)
    with command("emulator"):
        if not options.remove:
            serve(options.port)
        elif remove():
            print(f"Removed from .dvc/config.local. Its objects are still in {FOLDER}/.")
        else:
            print("This project does not use the emulator.")


if __name__ == "__main__":
    main()
