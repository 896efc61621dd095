"""What is asked about: images by path, folder or address, and texts."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, cast

from tools.folders import others_in
from verdict.conversations import TEXT
from verdict.core.errors import VerdictError
from verdict.params import Params
from verdict.params.data import Format, image_places
from verdict.params.file import check_section
from verdict.params.section import Section
from verdict.records.archive import MAX_MEMBER_BYTES
from verdict.records.image_files import EXPECTED, image_at
from verdict.sources.addresses import local_path, redacted, scheme_of
from verdict.sources.download import receive
from verdict.tasks import load_task


@dataclass(frozen=True)
class Question:
    """One thing to be asked about.

    Attributes:
        name: what messages and results call it: the path, the address, or the place in a file.
        images: the files of its images, in their order.
        text: what stands in the prompt for ``{text}``.
        error: why it cannot be asked about, as what would follow the name in a sentence.
        as_stored: the images are those that a record holds: they are not converted once more.
    """

    name: str
    images: tuple[Path, ...] = ()
    text: str | None = None
    error: str | None = None
    as_stored: bool = False


class TaskOfPairs(Protocol):
    """A task (:class:`verdict.tasks.Task`) whose records are two texts and no image."""

    Options: type[Section]

    def as_pair(self, left: str, right: str) -> str:
        """Return what the prompt says of two texts."""

    def out_of_pair(self, text: str) -> tuple[str, str]:
        """Return the two texts that ``as_pair`` put together."""

    def read_pairs(self, path: Path, options: Section) -> Iterator[tuple[str, str]]:
        """Yield the place and the text of each pair in a file, which needs no labels."""


def task_of_pairs(params: Params) -> TaskOfPairs | None:
    """Return the recipe's task if it is about pairs of texts."""
    task = load_task(params.task)
    return cast(TaskOfPairs, task) if hasattr(task, "read_pairs") else None


def files_named(images: Iterable[str], pairs: str | None) -> list[Path]:
    """Return the paths of this machine among what is given to be asked about."""
    paths = [local_path(argument) for argument in images if scheme_of(argument) == "file"]
    return [*paths, Path(pairs)] if pairs else paths


def images_named(arguments: Sequence[str], downloads: Path) -> Iterator[Question]:
    """Yield the images that paths, folders and addresses stand for; a folder's sorted, with depth.

    An address that cannot be had is a question with an error; the others can still be answered.

    Args:
        downloads: where what comes from addresses is put.

    Raises:
        VerdictError: a path is empty or leads nowhere, or a folder holds no images.
    """
    for argument in arguments:
        if not argument.strip():
            raise VerdictError("--image is empty: name an image, a folder or an address")
        if scheme_of(argument) != "file":
            yield _downloaded(argument, downloads)
            continue
        path = local_path(argument)
        if os.path.isdir(path):
            images = _images_in(path)
            if others := others_in(path, images):
                print(f"{path}: no images, and not asked about: {others}", file=sys.stderr)
            yield from (Question(_shown(found), (found,)) for found in images)
        elif os.path.isfile(path):
            yield Question(_shown(argument), (path,))
        else:
            raise VerdictError(f"{path} is not here, or is no file; correct the path")


def together(groups: Sequence[Sequence[str]], downloads: Path, asked: Format) -> Iterator[Question]:
    """Yield a question for each group of paths and addresses: about all its images, in their order.

    A folder alone holds a series of DICOM files, of which as many slices are taken as the prompt
    has marks.

    Args:
        downloads: as in ``images_named``.
        asked: the conversation, with its prompt.

    Raises:
        VerdictError: as ``images_named``, or a folder stands beside other images, or there are no
            marks that say how many slices of it are meant.
    """
    for group in groups:
        folders = [one for one in group if scheme_of(one) == "file" and os.path.isdir(one)]
        if folders and len(group) > 1:
            raise VerdictError(
                f"{folders[0]} is a folder; name the images of one --images one by one, in order, "
                "or give a series of DICOM files alone"
            )
        if folders:
            yield _series(Path(folders[0]), _places(asked))
            continue
        found = list(images_named(group, downloads))
        error = next((f"{one.name} {one.error}" for one in found if one.error), None)
        images = tuple(image for one in found for image in one.images)
        yield Question(" + ".join(one.name for one in found), images, error=error)


def read_image(path: Path) -> bytes:
    """Return the bytes of an image's file.

    Raises:
        ValueError: it is no regular file, is too large, or cannot be read.
    """
    try:
        # Whoever reads a pipe or a device may wait for ever.
        if not path.is_file() and path.exists():
            raise ValueError("is no regular file")
        if path.stat().st_size > MAX_MEMBER_BYTES:
            raise ValueError(f"has more than {MAX_MEMBER_BYTES:,} bytes")
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot be read: {os.strerror(error.errno or 0)}") from None


def _shown(path: Path | str) -> str:
    """Return a path as text; bytes of a name that are not UTF-8, which no table takes, as \\xNN."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _images_in(folder: Path) -> list[Path]:
    paths = sorted(path for path in folder.rglob("*") if not path.is_dir() and image_at(path))
    if not paths:
        raise VerdictError(f"{folder} holds no images ({EXPECTED}); name another folder")
    return paths


def _downloaded(address: str, downloads: Path) -> Question:
    shown = redacted(address)
    try:
        (path,) = receive(address, sha256=None, partial_folder=downloads).files.values()
    except VerdictError as error:
        return Question(shown, error=_not_had(str(error), shown))
    return Question(shown, (path,))


def _not_had(message: str, shown: str) -> str:
    """Say why an address cannot be had: its name stands before that, and it is no data set's."""
    # The first sentence says what happened; the others advise on ``fetch.files``.
    happened, _, _ = message.removeprefix(shown).replace(shown, "it").partition(". ")
    happened = happened.removeprefix("Could not download it").lstrip(": ").rstrip(".")
    return (
        f"cannot be had ({happened}): correct the address, or download the image by other means "
        "and give its path"
    )


def texts_named(
    params: Params, texts: Sequence[str], pairs: Sequence[Sequence[str]], file: str | None
) -> Iterator[Question]:
    """Yield texts as they are, two texts as their task asks about them, and a file's pairs.

    Raises:
        VerdictError: the task has no pairs, or the file is not as it should be.
    """
    for text in texts:
        yield Question(_short(text), text=text)
    task = task_of_pairs(params)
    if task is None:
        if pairs or file:
            raise VerdictError(
                f"the task {params.task} is not about pairs; leave out --pair and --pairs"
            )
        return
    for left, right in pairs:
        yield Question(f"{_short(left)} | {_short(right)}", text=task.as_pair(left, right))
    if file:
        options = check_section(task.Options, params.dataset, "dataset")
        for place, text in task.read_pairs(Path(file), options):
            yield Question(f"{file} {place}", text=text)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 40 else line[:39] + "…"


def combined(
    images: Iterator[Question], texts: Sequence[Question], params: Params, asked: Format
) -> Iterator[Question]:
    """Yield each image with each text, images or texts alone, as the prompt asks for.

    Args:
        texts: those given, or none.
        asked: the conversation, with its prompt.

    Raises:
        VerdictError: the prompt has a place for a text and there is none, or the other way round;
            or there is no image where the task is about images, or one where it is about texts; or
            its marks for images are not in order. Another number of images is an error of the
            question.
    """
    places = _places(asked)
    if TEXT in asked.prompt and not texts:
        what = "--pair or --pairs" if task_of_pairs(params) else "--question"
        raise VerdictError(f"the prompt has a place for a text ({TEXT}) and there is none: {what}")
    if TEXT not in asked.prompt and texts:
        raise VerdictError(
            f"the prompt has no place for a text: leave it out, or write {TEXT} into --prompt"
        )
    first = next(images, None)
    if (task_of_pairs(params) is None) != (first is not None):
        raise VerdictError(
            f"the task {params.task} is about {'texts' if first else 'images'}: "
            f"{'leave out --image' if first else 'give --image'}"
        )
    if first is None:
        yield from texts
        return
    yield from _with_texts(_checked(first, places), texts)
    for image in images:
        yield from _with_texts(_checked(image, places), texts)


def _places(asked: Format) -> int:
    try:
        return image_places(asked.prompt)
    except ValueError as error:
        raise VerdictError(str(error)) from None


def _series(folder: Path, count: int) -> Question:
    # Imported only now: pydicom takes a third of a second, which most need not spend.
    from verdict.extraction.dicom.series import slices_of

    if not count:
        raise VerdictError(
            f"{folder} is a series, but the prompt has no marks for images that say how many "
            "slices of it are meant: name files, or write {image 1}, {image 2} and so on"
        )
    try:
        return Question(_shown(folder), slices_of(folder, count))
    except ValueError as error:
        return Question(_shown(folder), error=str(error))


def _checked(asked: Question, places: int) -> Question:
    count = len(asked.images)
    if asked.error is not None or not places or count == places:
        return asked
    return replace(
        asked,
        error=f"is {count} image{'' if count == 1 else 's'}, but the prompt has marks for "
        f"{places}: give those of one record together, in order, by --images",
    )


def _with_texts(image: Question, texts: Sequence[Question]) -> Iterator[Question]:
    if not texts:
        yield image
    for text in texts:
        yield replace(image, text=text.text)
