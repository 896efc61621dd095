"""A small web page for trying the tuned model, on this machine alone.

    python -m tools.demo
    python -m tools.demo --model base --port 8000

An image (or two texts, or an image with a question) gets its answer, the probability of each
answer, and the model's own words, as `python -m tools.predict` gives them. Cases of the test split
are there to try. Nothing leaves this machine: no analytics, no request to another host, and what
is uploaded is deleted when the page ends. Ctrl-C ends it.
"""

import argparse
import errno
import os
import socket
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from tools.predict import add_model_options
from verdict.core.errors import VerdictError
from verdict.engine import LOCAL
from verdict.pipeline.command import command, parser_of, pinned_params

LOOPBACK = "127.0.0.1"
#: Nobody but this machine's users may ask, unless --host says so.
PORT = 7860
_HOSTS = f"give {LOOPBACK} (this machine alone), 0.0.0.0 (others, too), or a name of this machine"


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    with command("demo"):
        if find_spec("gradio") is None:
            raise VerdictError("gradio is not installed, which the page needs: make install-tools")
        if not 0 < options.port < 2**16:
            raise VerdictError(f"port {options.port} is none: --port takes 1 to 65535")
        _check_place(options.host, options.port)
        try:
            _serve(options)
        except KeyboardInterrupt:
            print("\nThe page has ended.")


def _check_place(host: str, port: int) -> None:
    """Refuse where no page can open, before the model is loaded.

    Raises:
        VerdictError: this machine has no such address, or the port is in use or reserved.
    """
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        family, kind, _, _, address = found[0]
        with socket.socket(family, kind) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
    except (socket.gaierror, UnicodeError):
        raise VerdictError(f"--host {host!r} is no address that can be found; {_HOSTS}") from None
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise VerdictError(f"--host {host!r} is no address of this machine; {_HOSTS}") from None
        raise _no_port(port, error.strerror) from None


def _no_port(port: int, reason: str | None) -> VerdictError:
    return VerdictError(f"port {port} cannot be had ({reason}); name another one: --port N")


def _serve(options: argparse.Namespace) -> None:
    params = pinned_params()
    with tempfile.TemporaryDirectory(prefix="verdict-demo-") as folder:
        uploads, cases = Path(folder, "uploads"), Path(folder, "cases")
        uploads.mkdir()
        cases.mkdir()
        os.environ.update(GRADIO_ANALYTICS_ENABLED="False", GRADIO_TEMP_DIR=str(uploads))
        # Imported only now: torch and gradio must find these in their environment.
        from tools.demo.page import CSS, THEME, build, guards
        from tools.demo.samples import samples
        from tools.predict.answering import Predictor, chosen
        from tools.predict.questions import task_of_pairs

        weights = chosen(params, options.model, options.adapter)
        # One image at a time is nothing for a cluster.
        predictor = Predictor(params.model_copy(update={"compute": LOCAL}), weights)
        _ = predictor.loaded  # what is wrong with it is said before the page opens
        title = f"Ask the {weights.name} model ({params.task.replace('_', ' ')})"
        page = build(predictor, task_of_pairs(params), samples(cases), title)
        try:
            page.launch(
                server_name=options.host,
                server_port=options.port,
                share=False,
                footer_links=[],
                max_file_size="512mb",
                theme=THEME,
                css=CSS,
                ssr_mode=False,
                enable_monitoring=False,
                quiet=True,
                prevent_thread_lock=True,
                # Not the uploads: what is in here is shown, whatever kind of file it is.
                allowed_paths=[str(cases)],
                app_kwargs={"middleware": guards(options.host)},
            )
        except OSError:
            # Meanwhile somebody else has it; gradio's words name settings that are not ours.
            raise _no_port(options.port, os.strerror(errno.EADDRINUSE)) from None
        print(
            f"Open http://{options.host}:{options.port} in a browser; Ctrl-C ends the page.",
            flush=True,
        )
        page.block_thread()


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("tools.demo", __doc__)
    add = parser.add_argument
    add("--port", type=int, default=PORT, metavar="N", help="default %(default)s")
    add(
        "--host", default=LOOPBACK, metavar="ADDRESS",
        help="who may reach it (default %(default)s: this machine); there is no password",
    )  # fmt: skip
    add_model_options(parser)
    return parser


if __name__ == "__main__":
    main()
