"""Base models from the Hugging Face Hub, or a mirror named by ``HF_ENDPOINT``."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from huggingface_hub import HfApi, ModelInfo, snapshot_download
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
from huggingface_hub.utils import filter_repo_objects

from verdict.errors import VerdictError
from verdict.files import replacing, sha256_of
from verdict.sources.partial import space_reported

#: What the Auto classes read: weights, configuration, tokenizer, chat template. Nothing pickled.
WANTED = [
    "*.safetensors",
    "*.json",
    "*.jinja",
    "*.model",  # SentencePiece
    "merges.txt",
    "vocab.txt",
]
#: Weights a second time: those for other programs, and those of Mistral's own format.
UNWANTED = ["*/*.safetensors", "consolidated*.safetensors"]


def fetch_model(name: str, revision: str, destination: Path) -> None:
    """Bring a model's safetensors, configuration and tokenizer into the folder ``destination``.

    The token, where one is needed, is ``HF_TOKEN`` or that of ``hf auth login``. Unfinished files
    stay in a hidden folder beside ``destination`` and are resumed by the next call;
    ``destination`` is replaced only once every file has arrived and has the hub's size and SHA-256.

    Args:
        name: ``organization/model``.
        revision: a commit on the hub (a branch or tag works, but moves).
        destination: the folder to write.

    Raises:
        VerdictError: no such model or revision, its licence is not accepted, it has no safetensors
            in its root, the hub cannot be reached, or a file arrived damaged.
    """
    endpoint = os.environ.get("HF_ENDPOINT")
    destination.parent.mkdir(parents=True, exist_ok=True)
    with _explained(name, revision), space_reported(destination.parent):
        info = HfApi(endpoint=endpoint).model_info(name, revision=revision, files_metadata=True)
        unfinished = _unfinished_folder(destination, f"{name}@{info.sha}")
        snapshot_download(
            name,
            revision=info.sha,
            local_dir=unfinished,
            allow_patterns=WANTED,
            ignore_patterns=UNWANTED,
            endpoint=endpoint,
        )
    _check(unfinished, name, info)
    shutil.rmtree(unfinished / ".cache", ignore_errors=True)  # the hub's notes, with times in them
    with replacing(destination) as folder:
        unfinished.rename(folder)
    for other in destination.parent.glob(f".{destination.name}.*.unfinished"):
        shutil.rmtree(other)


def _unfinished_folder(destination: Path, version: str) -> Path:
    key = hashlib.sha256(version.encode()).hexdigest()[:16]
    return destination.with_name(f".{destination.name}.{key}.unfinished")


def _check(folder: Path, name: str, info: ModelInfo) -> None:
    """Compare what arrived with what the hub lists."""
    files = list(
        filter_repo_objects(
            info.siblings or [],
            allow_patterns=WANTED,
            ignore_patterns=UNWANTED,
            key=lambda file: file.rfilename,
        )
    )
    if not any(file.rfilename.endswith(".safetensors") for file in files):
        shutil.rmtree(folder, ignore_errors=True)
        raise VerdictError(
            f"{name} at {info.sha} has no *.safetensors in its root, and pickled weights are not "
            "loaded. Choose a revision that has them, or convert the model."
        )
    for file in files:
        path = folder / file.rfilename
        arrived = path.is_file() and file.size in (None, path.stat().st_size)
        if arrived and file.lfs is not None:
            arrived = sha256_of(path) == file.lfs.sha256
        if not arrived:
            shutil.rmtree(folder)
            raise VerdictError(
                f"{file.rfilename} of {name} arrived damaged: its size or SHA-256 is not what the "
                "hub lists. What had arrived was deleted; run again."
            )


@contextmanager
def _explained(name: str, revision: str) -> Iterator[None]:
    """Turn the hub's errors into ones that say what to do."""
    try:
        yield
    except HFValidationError:
        raise VerdictError(
            f"{name!r} is no name of a model on the hub; expected organization/model."
        ) from None
    except GatedRepoError:
        raise VerdictError(
            f"{name} is gated. Accept its licence at https://huggingface.co/{name} and set "
            "HF_TOKEN to a token of that account (https://huggingface.co/settings/tokens)."
        ) from None
    except RepositoryNotFoundError:
        raise VerdictError(
            f"{name} is not on the hub, or it is private. Correct the name, or set HF_TOKEN to a "
            "token that may read it."
        ) from None
    except RevisionNotFoundError:
        raise VerdictError(
            f"{name} has no revision {revision}. Take the 40-digit commit from "
            f"https://huggingface.co/{name}/commits/main."
        ) from None
    except DisabledRepoError:
        raise VerdictError(
            f"{name} was disabled on the hub. Choose another model, or a copy of this one."
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
