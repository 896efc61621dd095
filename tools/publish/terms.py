"""What goes with published weights because the terms of their base ask for it."""

from pathlib import Path

from huggingface_hub import ModelCard

from tools.publish.files import NOTICE, TERMS, Published
from verdict.core.errors import VerdictError
from verdict.core.paths import CARD, MODELS, PARAMS_FILE
from verdict.params import Params
from verdict.params.data import EMBEDDED
from verdict.params.file import read_params
from verdict.report.terms import Used, notice_text, terms_of
from verdict.sources.weights import terms_files


def read_used(root: Path) -> tuple[Params, list[Used]]:
    """Return the parameters of a project, and what its data and models are bound to.

    Raises:
        VerdictError: of one of them that is not known, or the card names no licence.
    """
    params = read_params(root / PARAMS_FILE)
    used = terms_of(params.terms, params.models, synthetic=params.fetch.source == EMBEDDED)
    for one in used:
        if one.terms is None:
            raise VerdictError(
                f"{one.what}: under which licence it may be used is not known. Nothing is "
                f"published without: say it in {PARAMS_FILE}, {one.key}, and run `dvc repro`"
            )
    if not ModelCard.load(root / CARD).data.license:
        raise VerdictError(
            f"{CARD} names no licence in its header, and is not published so: `dvc repro` writes "
            "it anew"
        )
    return params, used


def passed_on(root: Path, folder: Path) -> list[Published]:
    """Return the files that have to go with the weights: NOTICE, and terms beside the base.

    Args:
        folder: where NOTICE is written.

    Raises:
        VerdictError: as ``read_used``; or the terms that came with the base are not here.
    """
    params, used = read_used(root)
    files = []
    if text := notice_text(used):
        (folder / NOTICE).write_text(text, encoding="utf-8")
        files.append(Published(folder / NOTICE, NOTICE))
    for path in terms_files(params.models["base"], MODELS / "base"):
        if not (root / path).is_file():
            raise VerdictError(
                f"{path}, which has to go with the weights, is not here: `dvc pull {path.parent}`"
            )
        files.append(Published(root / path, f"{TERMS}/{path.name}"))
    return files
