"""A model's weights by address: one file, or parts that are joined in order."""

import functools
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from verdict.core.errors import VerdictError
from verdict.core.files import replacing, sha256_of
from verdict.params.data import Gguf, Model
from verdict.sources.addresses import own_name, redacted, refuse_secrets
from verdict.sources.data import PARTIAL
from verdict.sources.partial import move, space_reported
from verdict.sources.received import Received
from verdict.sources.several import receive_all

#: Writes a model's folder: its weights, the new folder, and what messages call the file.
Converter = Callable[[Path, Path, str], None]


def fetch_gguf(options: Gguf, destination: Path, convert: Converter) -> None:
    """Bring a GGUF file, let it be converted into ``destination``, and lay its terms beside.

    Raises:
        VerdictError: a file cannot be brought or used. Nothing is replaced then.
    """
    for address in (*options.addresses, *(file.address for file in options.terms)):
        refuse_secrets(address)
    weights = receive_parts(options.addresses, options.sha256, PARTIAL)
    terms = [
        receive_all(file.address, sha256=file.sha256, several=False, partial_folder=PARTIAL)
        for file in options.terms
    ]
    ((shown, path),) = weights.files.items()
    with space_reported(destination.parent), replacing(destination) as folder:
        try:
            convert(path, folder, shown)
        except VerdictError:
            weights.discard()  # no other run could use it
            raise
        for file in terms:
            _lay_beside(file, folder)
    weights.discard()
    if terms:
        names = ", ".join(name for file in terms for name in file.files)
        print(f"{destination}: the terms that its use is bound to are in {names}", flush=True)


def terms_files(model: Model, folder: Path) -> list[Path]:
    """Return the files that lie in a model's folder because its licence asks for it."""
    given = model.gguf.terms if model.gguf else []
    return [folder / own_name(file.address) for file in given]


def receive_parts(addresses: Sequence[str], sha256: str, partial_folder: Path) -> Received:
    """Bring the parts of one file and join them in order.

    Args:
        sha256: the SHA-256 of the whole file, in hexadecimal.
        partial_folder: where unfinished data is kept.

    Raises:
        VerdictError: one cannot be had, or together they are not the file.
    """
    if len(addresses) == 1:
        return receive_all(
            addresses[0], sha256=sha256, several=False, partial_folder=partial_folder
        )
    joined = partial_folder / f"{sha256}.joined"
    shown = f"{own_name(addresses[0])} and {len(addresses) - 1} more"
    received = Received({shown: joined}, functools.partial(joined.unlink, missing_ok=True))
    if joined.is_file() and sha256_of(joined) == sha256:  # of a run that was killed meanwhile
        return received
    parts = [
        receive_all(address, sha256=None, several=False, partial_folder=partial_folder)
        for address in addresses
    ]
    with space_reported(partial_folder), replacing(joined) as whole:
        with whole.open("wb") as file:
            for part in parts:
                (path,) = part.files.values()
                with path.open("rb") as source:
                    shutil.copyfileobj(source, file, 2**20)
        found = sha256_of(whole)
        for part in parts:
            part.discard()
        if found != sha256:
            raise VerdictError(
                f"{redacted(addresses[0])} and the {len(addresses) - 1} parts after it have the "
                f"wrong checksum: expected SHA-256 {sha256} of the whole file, got {found}. All "
                "were deleted. Name every part once, in order; if they are right, one has changed "
                "where it is published: check it, and correct the sha256."
            )
    return received


def _lay_beside(terms: Received, folder: Path) -> None:
    """Place a file under its own name, unless the model has one of that name."""
    ((name, path),) = terms.files.items()
    if not name or (folder / name).exists():
        raise VerdictError(
            f"params.yaml: gguf.terms has a file of the name {name!r}, which cannot lie beside the "
            "model; give it another name"
        )
    move(path, folder / name)
    terms.discard()
