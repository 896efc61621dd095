"""Pack images and questions into the layout of MedPix-VQA, for the medpix_vqa task.

    python -m tools.pack_medpix --records questions.json --out data/own \\
        --images images --image image_name --case case

Each item of the JSON array in ``--records``, or each of its lines, is an object with a split
(train; dev, valid or validation; test), the case (what must not be divided between splits), an
image's path in ``--images`` (default: the folder of the records), a question and an answer (text or
number). The options name the fields that are called otherwise. ``image_id`` is optional; ``mode``,
and further fields of text or numbers, become attributes of the records. Splits stay as they are; of
validation and test one may be missing, which the pipeline cuts from training or validation. Image
files are copied byte for byte, and the same input gives the same bytes. A recipe is written, ready
to run.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from PIL import Image

from tools.own_recipe import write_recipe
from verdict.core.errors import VerdictError
from verdict.core.files import replacing
from verdict.extraction.images import FORMATS
from verdict.pipeline.command import command, parser_of
from verdict.records.raw import parse_json, tidy
from verdict.runtime.progress import Bar, progress
from verdict.tasks.medpix_vqa.archive.layout import COLUMNS, FILES, IMAGE, Split, write_split

_SPLITS: dict[str, Split] = {
    "train": "train",
    "dev": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
#: What the recipe is made from.
_BASE = "recipes/embedded/medpix-vqa.yaml"


@dataclass(frozen=True)
class Fields:
    """Names of the fields that each record needs."""

    split: str = field(default="split", metadata={"help": "train, validation or test"})
    case: str = field(default="case_id", metadata={"help": "case or patient"})
    image: str = field(default="image", metadata={"help": "path in --images"})
    question: str = field(default="question", metadata={"help": "what is asked"})
    answer: str = field(default="answer", metadata={"help": "text or number"})


@dataclass(frozen=True)
class _Record:
    """A record: where it stands, its texts by the names in ``Fields``, and further cells."""

    where: str
    texts: dict[str, str]
    image_id: str
    further: dict[str, str]


@dataclass(frozen=True)
class Packed:
    """How many questions of each split, cases and images; and the names of the attributes."""

    questions: dict[Split, int]
    cases: int
    images: int
    attributes: tuple[str, ...] = ()


def pack(
    records: Path, out: Path, names: Fields | None = None, images: Path | None = None
) -> Packed:
    """Write the Parquet files of each split into ``out``; rows keep the order of the records.

    Raises:
        VerdictError: a line that is no record, a field that is missing or blank, an unknown split,
            an image that does not decode or that two records name differently, or no records of
            train, or of neither validation nor test; the message names the line and the field.
    """
    folder = records.parent if images is None else images
    rows = list(_read_records(records, names or Fields()))
    by_split = {
        split: [row for row in rows if _SPLITS[row.texts["split"]] == split] for split in FILES
    }
    if not by_split["train"] or len(by_split["train"]) == len(rows):
        lacking = "validation or test" if by_split["train"] else "train"
        raise VerdictError(
            f"{records} has no records of {lacking}; a model is trained on the one and tested on "
            "the other, so give some records the other split."
        )
    _check_images(folder, rows)
    further = list(dict.fromkeys(name for row in rows for name in row.further if name != "mode"))
    with progress("pack", len(rows), "questions") as bar:
        for split, members in by_split.items():
            if members:
                with replacing(out / FILES[split]) as partial:
                    write_split(partial, split, _cells(folder, members, bar), len(members), further)
    return Packed(
        questions={split: len(members) for split, members in by_split.items() if members},
        cases=len({row.texts["case"] for row in rows}),
        images=len({row.image_id for row in rows}),
        attributes=tuple(further),
    )


def _read_records(path: Path, names: Fields) -> Iterator[_Record]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise VerdictError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise VerdictError(
            f"{path} is no text in UTF-8: {error.reason}. Save it as such."
        ) from None
    if text.lstrip().startswith("["):
        values = parse_json(text, str(path))
        for number, value in enumerate(values, start=1):
            yield _record(f"{path} record {number}", value, names)
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            where = f"{path} line {number}"
            yield _record(where, parse_json(line, where), names)


def _record(where: str, value: Any, names: Fields) -> _Record:
    needed = asdict(names)
    if not isinstance(value, dict):
        raise VerdictError(
            f"{where} is no JSON object; write the fields {', '.join(needed.values())}."
        )
    texts = {}
    for option, name in needed.items():
        given = value.get(name)
        text = _as_text(given) if option == "answer" or isinstance(given, str) else ""
        if not text:
            raise VerdictError(
                f"{where}: {name} is {_shown(given)}; expected a text. It has "
                f"{', '.join(value) or 'nothing'}; needed are {', '.join(needed.values())}. "
                f"Where the field is called otherwise, name it by --{option}."
            )
        texts[option] = text
    if texts["split"] not in _SPLITS:
        raise VerdictError(
            f"{where}: {names.split} is {texts['split']!r}; expected one of {', '.join(_SPLITS)}."
        )
    further = {
        tidy(name): cell
        for name, given in value.items()
        if name not in (*needed.values(), "image_id") and (cell := _as_text(given))
    }
    if taken := [name for name in further if name in COLUMNS and name != "mode"]:
        raise VerdictError(
            f"{where}: the field {taken[0]!r} is none of those that the options name, and would "
            f"stand beside one that {taken[0]} means here. Rename it, or take it out."
        )
    return _Record(where, texts, _as_text(value.get("image_id")) or texts["image"], further)


def _as_text(value: Any) -> str:
    """Return a text or a number as text, and anything else as none."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value.strip() if isinstance(value, str) else str(value) if is_number else ""


def _shown(value: Any) -> str:
    return "missing" if value is None else f"{value!r}"


def _check_images(folder: Path, rows: Iterable[_Record]) -> None:
    """See that every image is there and decodes, and that each id is one file."""
    first: dict[str, _Record] = {}
    for row in rows:
        known = first.setdefault(row.image_id, row)
        if known is row:
            _check_image(folder, row)
        elif known.texts["image"] != row.texts["image"]:
            raise VerdictError(
                f"{row.where}: image_id {row.image_id} is {row.texts['image']}, but "
                f"{known.texts['image']} in {known.where}. Each image needs an id of its own."
            )


def _check_image(folder: Path, row: _Record) -> None:
    path = folder / row.texts["image"]
    try:
        with Image.open(io.BytesIO(path.read_bytes()), formats=FORMATS) as image:
            image.load()
    except FileNotFoundError:
        raise VerdictError(
            f"{row.where}: there is no image {path}. Add it, name its folder by --images, or "
            "remove the record."
        ) from None
    except Exception as error:  # Pillow promises no kind: see verdict/extraction/images.py
        raise VerdictError(
            f"{row.where}: image {path} cannot be read: {error}. Replace it, or remove the record."
        ) from None


def _cells(folder: Path, rows: Iterable[_Record], bar: Bar) -> Iterator[dict[str, Any]]:
    for row in rows:
        bar.advance()
        path = folder / row.texts["image"]
        yield {
            IMAGE: {"bytes": path.read_bytes(), "path": path.name},
            "mode": None,
            "case_id": row.texts["case"],
            "question": row.texts["question"],
            "answer": row.texts["answer"],
            **row.further,
        }


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, pack, write a recipe, and print a summary."""
    parser = parser_of("tools.pack_medpix", __doc__)
    parser.add_argument("--records", type=Path, required=True, help="JSON array, or JSON lines")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--images", type=Path, metavar="DIR", help="folder of images")
    for name in fields(Fields):
        help_text = f"{name.metadata['help']} (default {name.default})"
        parser.add_argument(f"--{name.name}", metavar="FIELD", default=name.default, help=help_text)
    options = vars(parser.parse_args(arguments))
    records, out, images = options.pop("records"), options.pop("out"), options.pop("images")
    with command("pack_medpix"):
        packed = pack(records, out, Fields(**options), images)
        files = {str(split): name for split, name in FILES.items() if split in packed.questions}
        written = write_recipe("python -m tools.pack_medpix", _BASE, out, files, {})
    counts = ", ".join(f"{count:,} {split}" for split, count in packed.questions.items())
    print(
        f"Packed into {out}: {counts} questions, on {packed.images:,} images of {packed.cases:,} "
        "cases."
    )
    if packed.attributes:
        kept = ", ".join(packed.attributes)
        print(f"Kept as attributes, of which compare.subgroups can be: {kept}.")
    print(written)


if __name__ == "__main__":
    main()
