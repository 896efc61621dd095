"""The findings as one page for people, which needs nothing else."""

from itertools import groupby
from operator import attrgetter
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tools.verify.results import Verification
from verdict.core.files import replacing


def write_page(path: Path, result: Verification) -> None:
    """Write the page."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template("page.html").render(
        result=result,
        stages=[
            (name, list(outputs)) for name, outputs in groupby(result.outputs, attrgetter("stage"))
        ],
    )
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
