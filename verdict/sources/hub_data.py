"""Files on the Hugging Face Hub: ``hf://datasets/OWNER/NAME@COMMIT/PATH``.

Without ``datasets/`` it is a model's repository.
"""

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import PurePosixPath

from huggingface_hub import get_token, hf_hub_url
from huggingface_hub.errors import HfUriError, RemoteEntryNotFoundError
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import parse_hf_uri

from verdict.core.errors import VerdictError
from verdict.sources.addresses import redacted
from verdict.sources.http import Bearer, Wording, open_url
from verdict.sources.hub_repository import (
    COMMIT,
    Repository,
    explained,
    hub_api,
    refuse_other_commit,
    refuse_unlisted,
)
from verdict.sources.stream import Stream

_FORM = "hf://datasets/OWNER/NAME@COMMIT/PATH, or hf://OWNER/NAME@COMMIT/PATH of a model"
_WILDCARD = re.compile(r"[*?\[]")
#: So many names are shown in a message.
_SHOWN = 5


def list_hub_files(address: str) -> dict[str, RepoFile]:
    """Return what the hub lists of the files that ``address`` stands for, by the address of each.

    Args:
        address: ``hf://[datasets/]OWNER/NAME@COMMIT/PATH``; ``PATH`` may hold ``*``, ``?`` and
            ``[…]``, each within one folder of the repository.

    Raises:
        VerdictError: the address names no commit, nothing there has that name, access is refused,
            or the hub cannot be reached.
    """
    repository, pattern = _parsed(address)
    with explained(repository):
        info = hub_api().repo_info(
            repository.name, repo_type=repository.kind, revision=repository.revision
        )
    refuse_other_commit(repository, info.sha)
    parts = PurePosixPath(pattern).parts
    fixed = next((i for i, part in enumerate(parts) if _WILDCARD.search(part)), len(parts))
    folder = "/".join(parts[: min(fixed, len(parts) - 1)])
    entries = _listed(repository, folder, recursive=fixed < len(parts) - 1)
    found = [entry for entry in entries if _matches(entry.path, pattern)]
    if not found:
        place = f"the folder {folder}" if folder else "its root"
        raise VerdictError(
            f"{redacted(address)}: no file matches {pattern}; {place} has "
            f"{some([entry.path for entry in entries]) or 'no files'}. Correct the path; "
            f"{repository.page}/tree/{repository.revision} shows all files."
        )
    refuse_unlisted(repository, found)
    folders = "datasets/" if repository.kind == "dataset" else ""
    start = f"hf://{folders}{repository.name}@{repository.revision}/"
    return {start + entry.path: entry for entry in sorted(found, key=lambda entry: entry.path)}


def open_hub_file(
    address: str, offset: int, known: Mapping[str, str]
) -> AbstractContextManager[Stream]:
    """Open one file; not by huggingface_hub, which begins a killed download of a file again.

    The token goes to the hub alone, not to the storage on another host that it redirects to.
    """
    repository, path = _parsed(address)
    url = hf_hub_url(
        repository.name,
        path,
        repo_type=repository.kind,
        revision=repository.revision,
        endpoint=hub_api().endpoint,
    )
    wording = Wording(
        shown=redacted(address),
        no_access=f"It is gated or private. {repository.how_to_access}",
        not_there=f"{repository.page}/tree/{repository.revision} shows all files.",
    )
    token = get_token()
    return open_url(url, offset, known, wording, Bearer(token, "HF_TOKEN") if token else None)


def some(names: list[str]) -> str:
    """Return the first few names, for a message."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _matches(path: str, pattern: str) -> bool:
    """Compare whole paths; unlike in the hub's own patterns, ``*`` stops at a ``/``."""
    same_depth = path.count("/") == pattern.count("/")
    return path == pattern or (same_depth and PurePosixPath(path).match(pattern))


def _listed(repository: Repository, folder: str, *, recursive: bool) -> list[RepoFile]:
    with explained(repository), suppress(RemoteEntryNotFoundError):  # no such folder
        tree = hub_api().list_repo_tree(
            repository.name,
            folder or None,
            recursive=recursive,
            revision=repository.revision,
            repo_type=repository.kind,
        )
        files = [entry for entry in tree if isinstance(entry, RepoFile)]
        if not all(isinstance(file.path, str) for file in files):
            raise TypeError("the library takes names as they come, and one is no text")
        return files
    return []


def _parsed(address: str) -> tuple[Repository, str]:
    shown = redacted(address)
    try:
        uri = parse_hf_uri(address)
    except HfUriError:
        uri = None
    path = PurePosixPath(uri.path_in_repo if uri else "")
    if uri is None or uri.type not in ("dataset", "model") or not path.name or ".." in path.parts:
        raise VerdictError(f"{shown} is no address of files on the hub; expected {_FORM}.")
    repository = Repository(uri.type, uri.id, uri.revision or "")
    if not COMMIT.fullmatch(repository.revision):
        found = f"{repository.revision!r} is not one" if repository.revision else "it has none"
        raise VerdictError(
            f"{shown} needs a commit of 40 hexadecimal digits, and {found}: a branch or tag moves, "
            f"and the result could not be repeated. Take it from {repository.page}/commits/main "
            f"and write {_FORM}."
        )
    return repository, uri.path_in_repo
