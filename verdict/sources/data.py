"""Bring the raw data of a task into one folder, under its published names."""

from collections.abc import Mapping
from pathlib import Path

from verdict.core.errors import VerdictError
from verdict.core.files import replacing
from verdict.params.data import Fetch
from verdict.sources.addresses import local_path, redacted, refuse_secrets, scheme_of
from verdict.sources.local import check_local
from verdict.sources.several import receive_all

#: Partial downloads live here, outside every stage's outputs, so that a killed one goes on.
PARTIAL = Path(".downloads")


def fetch_data(names: Mapping[str, str], options: Fetch, destination: Path) -> None:
    """Fill ``destination`` with a task's published files.

    Where ``names`` has a folder (``pairs/``), the address may stand for several files, ``hf://``
    with a pattern or a local folder; they keep their own names there, as a single file does. Its
    ``sha256`` must be null unless it stands for exactly one file.

    Args:
        names: the published names by the keys of ``options.files``.

    Raises:
        VerdictError: a file cannot be brought, or is here and outside of ``fetch.local``. Nothing
            is replaced then.
    """
    with replacing(destination) as partial:
        partial.mkdir()
        for file in options.files.values():
            refuse_secrets(file.address)
        _refuse_equal({key: file.address for key, file in options.files.items()})
        check_local(options, destination)
        # All are received before any is placed: a failure keeps what has come so far.
        received = {
            name: receive_all(
                options.files[key].address,
                sha256=options.files[key].sha256,
                several=name.endswith("/"),
                partial_folder=PARTIAL,
            )
            for key, name in names.items()
            if key in options.files
        }
        paths = [path for files in received.values() for path in files.files.values()]
        if len(set(paths)) < len(paths):
            raise VerdictError(
                "params.yaml: two entries of fetch.files stand for the same file; each needs its "
                "own address"
            )
        for name, files in received.items():
            if name.endswith("/"):
                files.place_in(partial / name)
            else:
                files.place(partial / name)


def _refuse_equal(addresses: Mapping[str, str]) -> None:
    """Refuse one address under two keys, before anything is brought."""
    first: dict[str, str] = {}
    for key, address in addresses.items():
        is_local = scheme_of(address) == "file"
        meant = str(local_path(address).resolve()) if is_local else address
        if (other := first.setdefault(meant, key)) != key:
            raise VerdictError(
                f"params.yaml: two entries of fetch.files stand for the same file, {other} and "
                f"{key}: {redacted(address)}; each needs its own address"
            )
