"""A repository on the Hugging Face Hub or a mirror (``HF_ENDPOINT``): its name, files and refusals.

The token, where one is needed, is ``HF_TOKEN`` or that of ``hf auth login``.
"""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import httpx2
from huggingface_hub import HfApi
from huggingface_hub.errors import (
    DisabledRepoError,
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile, RepoSibling
from huggingface_hub.utils.sha import git_hash

from verdict.core.errors import VerdictError
from verdict.core.files import sha256_of
from verdict.sources.addresses import can_be_a_name

COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Repository:
    """A model or a data set on the hub at one revision; ``name`` is ``owner/name``."""

    kind: Literal["model", "dataset"]
    name: str
    revision: str

    @property
    def page(self) -> str:
        """The address of its page, for a person."""
        folder = "datasets/" if self.kind == "dataset" else ""
        return f"https://huggingface.co/{folder}{self.name}"

    @property
    def noun(self) -> str:
        return "data set" if self.kind == "dataset" else "model"

    @property
    def how_to_access(self) -> str:
        """What a person must do who may not read it."""
        return (
            f"Accept its licence at {self.page} and set HF_TOKEN to a token of that account "
            "(https://huggingface.co/settings/tokens)."
        )


def hub_api() -> HfApi:
    """Return the hub's interface at ``HF_ENDPOINT``, read now and not when imported."""
    return HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None)


def as_listed(path: Path, listed: RepoFile | RepoSibling) -> bool:
    """Tell whether a file that arrived has the size and the checksum that the hub lists."""
    if not path.is_file() or listed.size != path.stat().st_size:
        return False
    if listed.lfs is not None:
        return sha256_of(path) == listed.lfs.sha256
    # Files outside LFS are small; what the hub lists of them is git's own checksum.
    return listed.blob_id == git_hash(path.read_bytes())


def refuse_unlisted(repository: Repository, files: Iterable[RepoFile | RepoSibling]) -> None:
    """Refuse what could not be checked once it is here, or would not stay in its folder.

    Raises:
        VerdictError: a file is listed without size or checksum, or under a name such as ``../a``,
            or one of 300 characters.
    """
    for file in files:
        name = file.path if isinstance(file, RepoFile) else file.rfilename
        if file.size is None or (file.lfs is None and file.blob_id is None):
            raise VerdictError(
                f"{name} of {repository.name} is listed without its size or checksum, so that what "
                "arrives could not be checked. Unset HF_ENDPOINT, or ask another mirror."
            )
        parts = PurePosixPath(name).parts
        if not (parts and all(map(can_be_a_name, parts))):
            raise VerdictError(
                f"{repository.name} lists {name[:300]!r}, which no file in its folder can be "
                "named. Unset HF_ENDPOINT, or choose another repository."
            )


def refuse_other_commit(repository: Repository, commit: str | None) -> None:
    """Refuse a hub that answers with another commit than the one asked for.

    Raises:
        VerdictError: it does.
    """
    if commit is None or (COMMIT.fullmatch(repository.revision) and commit != repository.revision):
        raise VerdictError(
            f"The hub answered with commit {commit} of {repository.name}, where "
            f"{repository.revision} was asked for. Unset HF_ENDPOINT, or ask another mirror."
        )


@contextmanager
def explained(repository: Repository) -> Iterator[None]:
    """Turn the hub's errors into ones that say what to do.

    Raises:
        VerdictError: instead of whatever the hub's library raises.
    """
    name, page = repository.name, repository.page
    try:
        yield
    except HFValidationError:
        raise VerdictError(
            f"{name!r} is no name of a {repository.noun} on the hub; expected "
            f"organization/{repository.kind}."
        ) from None
    except GatedRepoError:
        raise VerdictError(f"{name} is gated. {repository.how_to_access}") from None
    except RepositoryNotFoundError:
        raise VerdictError(
            f"{name} is not on the hub as a {repository.noun}, or it is private. Correct the name, "
            "or set HF_TOKEN to a token that may read it."
        ) from None
    except RevisionNotFoundError:
        raise VerdictError(
            f"{name} has no revision {repository.revision}. Take the 40-digit commit from "
            f"{page}/commits/main."
        ) from None
    except DisabledRepoError:
        raise VerdictError(
            f"{name} was disabled on the hub. Choose another {repository.noun}, or a copy of it."
        ) from None
    except HfHubHTTPError as error:
        raise _answered(name, error) from None
    except OfflineModeIsEnabled:
        raise VerdictError(
            f"{name} is not here and HF_HUB_OFFLINE is set. Unset it and run again."
        ) from None
    except (LocalEntryNotFoundError, FileMetadataError, httpx2.HTTPError) as error:
        if isinstance(error.__cause__, HfHubHTTPError):
            raise _answered(name, error.__cause__) from None
        raise VerdictError(
            f"Could not reach the hub for {name} ({_root(error)}). Check the network, the proxy "
            "and HF_ENDPOINT, and run again; the download goes on from what has arrived."
        ) from None
    # What the library makes of JSON that is none, or has other keys than the hub's.
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise VerdictError(
            f"The hub's answer for {name} is not what a hub answers ({type(error).__name__}). "
            "Check HF_ENDPOINT and the proxy, and run again."
        ) from None


def _answered(name: str, error: HfHubHTTPError) -> VerdictError:
    status = error.response.status_code
    advice = (
        "HF_TOKEN is not valid or may not read it; make a new one at "
        "https://huggingface.co/settings/tokens."
        if status in (401, 403)
        else "Run again later; the download goes on from what has arrived."
    )
    return VerdictError(f"The hub answered HTTP {status} for {name}. {advice}")


def _root(error: BaseException) -> str:
    while cause := error.__cause__ or error.__context__:
        error = cause
    return str(error) or type(error).__name__
