"""Publish the fine-tuned model to the Hugging Face hub: the numbers with it, the data never.

    python -m tools.publish --repo OWNER/NAME --dry-run   check everything, list what would be sent
    python -m tools.publish --repo OWNER/NAME             send it, as one commit
    python -m tools.publish --pack FOLDER                 write the reporting pack, and send nothing

Sent are the adapter (or the whole model), its processor and provenance.json, the model card, the
metrics' JSON but for what names records or patients, what the base's terms ask to be passed on
(NOTICE, terms/), and verification.json and verification.sig where they are here. It refuses while
git or `dvc status` is not clean, where metrics, figures and verdict do not come out of the
predictions again, where no licence is known of data or models, and where another model is in the
repository. The token is HF_TOKEN or that of `hf auth login`; HF_ENDPOINT names another hub.

The reporting pack has the checklists of STARD-AI, TRIPOD+AI and CLAIM as far as the run can answer
them, the data set in Croissant, and the run from archive to report as an RO-Crate.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from tools.publish.files import Published, check_numbers, clean_commit, collect
from tools.publish.hub import check_name, foresee, send
from tools.publish.pack import write_pack
from tools.publish.terms import passed_on
from verdict.core.project import project_root
from verdict.pipeline.command import command, parser_of


def main(arguments: Sequence[str] | None = None) -> None:
    """Check, list, and send unless it is a dry run."""
    options = _parser().parse_args(arguments)
    log = Console(stderr=True, highlight=False)
    root = project_root()
    with command("publish"), tempfile.TemporaryDirectory() as folder:
        if options.pack is not None:
            names = write_pack(root, options.pack, clean_commit(root))
            print(f"{options.pack}: {', '.join(names)}")
            return
        check_name(options.repo)
        commit = clean_commit(root)
        files = [*collect(root, commit), *passed_on(root, Path(folder))]
        sentence = check_numbers(root, lambda text: log.print(f"[dim]{text}[/dim]"))
        Console().print(_table(files))
        print(sentence)
        if options.dry_run:
            foreseen = foresee(options.repo, files, private=options.private)
            print(f"Dry run: nothing was sent to {options.repo}. {foreseen}")
            return
        message = f"Publish commit {commit[:12]}"
        address = send(options.repo, files, private=options.private, message=message, say=print)
        print(f"Published: {address}")


def _table(files: Sequence[Published]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("file", overflow="fold")
    table.add_column("bytes", justify="right")
    for file in files:
        table.add_row(file.name, f"{file.size:,}")
    table.add_section()
    table.add_row(f"{len(files)} files", f"{sum(file.size for file in files):,}")
    return table


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("tools.publish", __doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--repo", metavar="OWNER/NAME", help="where to publish")
    what.add_argument(
        "--pack", type=Path, metavar="FOLDER", help="publish nothing; write the reporting pack"
    )
    parser.add_argument("--dry-run", action="store_true", help="send nothing, and need no token")
    parser.add_argument(
        "--private", action="store_true", help="if the repository is made, only you see it"
    )
    return parser


if __name__ == "__main__":
    main()
