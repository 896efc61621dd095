"""Base models from the Hugging Face Hub, or a mirror named by ``HF_ENDPOINT``."""

import glob
import hashlib
import shutil
from pathlib import Path

from huggingface_hub import ModelInfo, snapshot_download
from huggingface_hub.hf_api import RepoSibling
from huggingface_hub.utils import filter_repo_objects

from verdict.core.errors import VerdictError
from verdict.core.files import replacing
from verdict.sources.cache import from_cache
from verdict.sources.hub_repository import (
    Repository,
    as_listed,
    explained,
    hub_api,
    refuse_other_commit,
    refuse_unlisted,
)
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

    The token, where one is needed, is ``HF_TOKEN`` or that of ``hf auth login``. After a failure
    the files that are complete stay in a hidden folder beside ``destination``, and the next call
    fetches the others; ``destination`` is replaced only once every file has arrived and has the
    hub's size and checksum.

    Args:
        name: ``organization/model``.
        revision: a commit on the hub (a branch or tag works, but moves).
        destination: the folder to write.

    Raises:
        VerdictError: no such model or revision, its licence is not accepted, it has no safetensors
            in its root, the hub cannot be reached, or a file arrived damaged.
    """
    api = hub_api()
    destination.parent.mkdir(parents=True, exist_ok=True)
    repository = Repository("model", name, revision)
    with explained(repository), space_reported(destination.parent):
        info = api.model_info(name, revision=revision, files_metadata=True)
        refuse_other_commit(repository, info.sha)
        files = _wanted(repository, info)
        unfinished = _unfinished_folder(destination, f"{name}@{info.sha}")
        _take_cached(files, unfinished)
        snapshot_download(
            name,
            revision=info.sha,
            local_dir=unfinished,
            # The library asks for the listing again: nothing that is new there is wanted.
            allow_patterns=[glob.escape(file.rfilename) for file in files],
            endpoint=api.endpoint,
        )
    _check(unfinished, name, files)
    shutil.rmtree(unfinished / ".cache", ignore_errors=True)  # the hub's notes, with times in them
    with replacing(destination) as folder:
        unfinished.rename(folder)
    for other in destination.parent.glob(f".{destination.name}.*.unfinished"):
        shutil.rmtree(other)


def _take_cached(files: list[RepoSibling], folder: Path) -> None:
    """Put what DVC's cache has of the large files where the hub's library looks for them."""
    for file in files:
        place = folder / file.rfilename
        if file.lfs and not place.exists():
            copy = from_cache(place.name, file.lfs.sha256, place.parent)
            if copy:
                copy.rename(place)


def _unfinished_folder(destination: Path, version: str) -> Path:
    key = hashlib.sha256(version.encode()).hexdigest()[:16]
    return destination.with_name(f".{destination.name}.{key}.unfinished")


def _wanted(repository: Repository, info: ModelInfo) -> list[RepoSibling]:
    """Return what the hub lists of the files that are to be brought."""
    files = list(
        filter_repo_objects(
            info.siblings or [],
            allow_patterns=WANTED,
            ignore_patterns=UNWANTED,
            key=lambda file: file.rfilename,
        )
    )
    if not any(file.rfilename.endswith(".safetensors") for file in files):
        start = f"hf://{repository.name}@{info.sha}/"
        ggufs = [file.rfilename for file in info.siblings or [] if file.rfilename.endswith(".gguf")]
        raise VerdictError(
            f"{repository.name} at {info.sha} has no *.safetensors in its root, and pickled "
            "weights are not loaded. Choose a revision that has them, or convert the model"
            + (f"; or name its GGUF file in models.*.gguf: {start}{ggufs[0]}" if ggufs else "")
            + "."
        )
    refuse_unlisted(repository, files)
    return files


def _check(folder: Path, name: str, files: list[RepoSibling]) -> None:
    """Compare what arrived with what the hub lists."""
    for file in files:
        if not as_listed(folder / file.rfilename, file):
            shutil.rmtree(folder)
            raise VerdictError(
                f"{file.rfilename} of {name} arrived damaged: its size or checksum is not what the "
                "hub lists. What had arrived was deleted; run again."
            )
