"""An address that may stand for several files: a pattern, on the hub or here, or a local folder."""

import functools
import glob
import os
from pathlib import Path

from huggingface_hub.hf_api import RepoFile

from verdict.core.errors import VerdictError
from verdict.sources.addresses import local_path, own_name, redacted, scheme_of
from verdict.sources.cache import from_cache
from verdict.sources.download import receive
from verdict.sources.hub_data import list_hub_files, some
from verdict.sources.hub_repository import as_listed
from verdict.sources.received import Received


def receive_all(
    address: str, *, sha256: str | None, several: bool, partial_folder: Path
) -> Received:
    """Bring every file that ``address`` stands for into ``partial_folder``, to be placed.

    A local folder stands for the files in it, sorted, without those in its folders and those whose
    name begins with a dot. A local pattern is one of :mod:`glob`'s; ``**`` leads into folders.
    Files from the hub must have the size and the checksum listed there. A file whose SHA-256 is
    known and in DVC's cache is copied from there.

    Args:
        address: as :func:`verdict.sources.download.receive` takes it; ``hf://`` and a local path
            may hold a pattern.
        sha256: the SHA-256 that the file must have; None where there are several.
        several: more than one file is welcome. Otherwise the address must stand for exactly one.
        partial_folder: where unfinished data is kept.

    Raises:
        VerdictError: one cannot be had or is damaged, there are none or too many, or two have the
            same name.
    """
    listed = list_hub_files(address) if scheme_of(address) == "hf" else {}
    addresses = list(listed) or _files_here(address, several=several) or [address]
    names = [own_name(each) for each in addresses]
    if len(addresses) > 1:
        _refuse_ambiguity(address, addresses, names, sha256=sha256, several=several)
    if several and not all(names):
        unnamed = addresses[names.index("")]
        raise VerdictError(
            f"{redacted(unnamed)[:300]} does not end in a file's name that can be used here. Give "
            "an address that does, or download the file and give its local path."
        )
    parts = []
    for each, own in zip(addresses, names, strict=True):
        digest = sha256 or _listed_digest(listed.get(each))
        if (
            digest
            and scheme_of(each) != "file"
            and (copy := from_cache(own, digest, partial_folder))
        ):
            parts.append(Received({own: copy}, functools.partial(copy.unlink, missing_ok=True)))
            continue
        part = receive(each, sha256=sha256, partial_folder=partial_folder)
        parts.append(part)
        if each in listed and not all(
            as_listed(path, listed[each]) for path in part.files.values()
        ):
            part.discard()
            raise VerdictError(
                f"{redacted(each)} arrived damaged: its size or checksum is not what the hub "
                "lists. It was deleted; run again."
            )

    def discard() -> None:
        for part in parts:
            part.discard()

    return Received({name: path for part in parts for name, path in part.files.items()}, discard)


def _listed_digest(file: RepoFile | None) -> str | None:
    """Return the SHA-256 that the hub lists of a file; of small ones it lists another checksum."""
    return file.lfs.sha256 if file and file.lfs else None


def _files_here(address: str, *, several: bool) -> list[str]:
    """Return the files of a local folder, or of a pattern; nothing where the address is neither."""
    if scheme_of(address) != "file":
        return []
    path = local_path(address)
    if several and os.path.isdir(path):
        found = [file for file in path.iterdir() if not file.name.startswith(".")]
        if folders := sorted(file.name for file in found if file.is_dir()):
            print(
                f"{address}: not read are the {len(folders):,} folders in it ({some(folders)}); "
                f"{address.rstrip('/')}/**/* reads them, too",
                flush=True,
            )
        empty = "a folder without files"
    elif glob.has_magic(str(path)) and not os.path.exists(path):
        found = [Path(file) for file in glob.glob(str(path), recursive=True)]
        empty = "a pattern that no file fits"
    else:
        return []
    if not (files := sorted(file for file in found if file.is_file())):
        raise VerdictError(f"{address} is {empty}. Correct the address.")
    return [str(file) for file in files]


def _refuse_ambiguity(
    address: str, addresses: list[str], names: list[str], *, sha256: str | None, several: bool
) -> None:
    shown = f"{redacted(address)} stands for {len(names)} files ({some(names)})"
    if not several:
        raise VerdictError(f"{shown}, where one was expected. Name the one that is meant.")
    if sha256 is not None:
        raise VerdictError(
            f"{shown}, and one sha256 cannot be that of all. Set it to null, or name one file."
        )
    if twice := [name for name in names if names.count(name) > 1]:
        same = [each for each, name in zip(addresses, names, strict=True) if name == twice[0]]
        raise VerdictError(
            f"{redacted(address)} stands for several files named {twice[0]} ({some(same)}), which "
            "would be placed in one folder. Narrow the pattern."
        )
