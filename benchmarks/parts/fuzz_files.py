"""Entry points of the fuzzer that read files of somebody else: archives, tables, images."""

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.parts.fuzz_draws import altered, as_json, damaged
from testing.dicom import ct, encoded
from testing.isic import IsicArchive, jpeg
from testing.samples import drawn
from tools.pack_medpix import pack
from tools.packing import read_rows
from verdict.conversations import read_answers, read_conversations, write_chat
from verdict.core.errors import VerdictError
from verdict.extraction.extract import extract
from verdict.extraction.images import convert
from verdict.params.data import Dicom, Extract, Format
from verdict.predictions import read_predictions, write_predictions
from verdict.records.archive import ImageSource, ZipImages
from verdict.records.duplicates import read_duplicates
from verdict.records.parquet_images import ParquetImages
from verdict.records.raw import RawRow, RawTable
from verdict.records.shards import ImageStore, read_records
from verdict.splitting.assignment import SPLITS, Division
from verdict.splitting.files import read_split, write_split
from verdict.tasks import read_raw

#: Draws one input, and reads it to its end.
Attempt = Callable[[Random], object]

#: What the parts of a ZIP begin with (APPNOTE 4.3).
_HEADERS = (b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"PK\6\7")
_EXTRACT = Extract(
    size=32, fit="pad", resample="bilinear", format="jpeg", quality=90, shard_megabytes=1,
    max_megapixels=1, max_rejected=0,
 dicom=Dicom(window="file", frame="only"),
)  # fmt: skip
_PAIRS: dict[str, Any] = {
    "layout": "columns", "header": True, "left": "left", "right": "right", "label": "label",
    "entities": None, "match": [1, True], "no_match": [0, False],
}  # fmt: skip


def zips(folder: Path) -> Attempt:
    """ZIP archives of images, in every compression, with long and foreign names."""
    seeds = [
        _zip(method) for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA)
    ]
    path = folder / "images.zip"

    def attempt(rng: Random) -> None:
        path.write_bytes(damaged(rng, rng.choice(seeds), _HEADERS))
        _read_images(ZipImages(path))

    return attempt


def parquet_images(folder: Path) -> Attempt:
    """Parquet files in the layout of MedPix-VQA: questions, and the images beside them."""
    rows = [
        {
            "image_id": {"bytes": jpeg((9 * n, 90, 60)), "path": f"{n}.jpg"}, "mode": "CT",
            "case_id": f"MPX{n // 2}", "question": "Is a mass visible?", "answer": "Yes.",
        }
        for n in range(6)
    ]  # fmt: skip
    seeds = [_parquet(rows, **options) for options in ({}, {"compression": "zstd"})]
    for split in ("train", "validation"):
        (folder / split).mkdir()
        (folder / split / f"{split}-0.parquet").write_bytes(seeds[0])
    path = folder / "train" / "train-0.parquet"

    def attempt(rng: Random) -> None:
        path.write_bytes(damaged(rng, rng.choice(seeds)))
        _read_images(ParquetImages(folder, (path,), "image_id"))
        read_raw("medpix_vqa", folder, {"blank_answers": "fail"})

    return attempt


def melanoma(folder: Path) -> Attempt:
    """The tables of SIIM-ISIC: three CSV files beside a ZIP."""
    IsicArchive(folder).write()
    return _one_of(sorted(folder.glob("*.csv")), lambda: read_raw("melanoma", folder, {}))


def breakhis(folder: Path) -> Attempt:
    """The folds of BreaKHis: a CSV file inside the ZIP."""
    names = [
        f"BreaKHis_v1/histology_slides/breast/{kind}/SOB/{subtype}/SOB_{code}-14-{1000 + n}/100X/"
        f"SOB_{code}-14-{1000 + n}-100-00{n}.png"
        for n, (kind, subtype, code) in enumerate(
            [("benign", "adenosis", "B_A"), ("malignant", "ductal_carcinoma", "M_DC")] * 2
        )
    ]
    lines = [f"100,1,{'train' if n < 2 else 'test'},{name}" for n, name in enumerate(names)]
    table = "\n".join(["mag,fold,grp,filename", *lines, ""]).encode()
    options = {
        "fold": 1, "magnifications": [100], "classes": "eight", "balance_seed": 3,
        "two_class_slides": "fail",
    }  # fmt: skip

    def attempt(rng: Random) -> RawTable:
        inside, outside = rng.choice(((damaged, _as_it_is), (_as_it_is, damaged)))
        with zipfile.ZipFile(buffer := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("Folds.csv", inside(rng, table))
        (folder / "breakhis.zip").write_bytes(outside(rng, buffer.getvalue()))
        return read_raw("breakhis", folder, options)

    return attempt


def pairs(folder: Path) -> Attempt:
    """Tables of entities: CSV, TSV, JSON lines, Parquet, conversations, and two tables of ids."""
    (folder / "pairs").mkdir()
    rows = [{"left": f"anna {n}", "right": f"bob {n}", "label": str(n % 2)} for n in range(4)]
    asked = "Compare.\n\nRecord A:\na\n\nRecord B:\nb\n\nAre they the same?"
    talk = [{"messages": [{"role": "user", "content": asked}, {"role": "x", "content": "True"}]}]
    tables = {"tableA.csv": b"id,name\n0,Ann\n1,Bob\n", "tableB.csv": b"id,name\n0,Anna\n"}
    ids = {**_PAIRS, "layout": "tables", "left": "l_id", "right": "r_id"}
    said = {**_PAIRS, "layout": "messages", "match": ["True"], "no_match": ["False"]}
    kinds: list[tuple[str, Callable[[Random], bytes], dict[str, Any]]] = [
        ("p.csv", partial(_damaged_table, rows, ","), _PAIRS),
        ("p.tsv", partial(_damaged_table, rows, "\t"), _PAIRS),
        ("p.jsonl", partial(_damaged_lines, rows), _PAIRS),
        ("p.jsonl", partial(_damaged_lines, talk), said),
        ("p.parquet", lambda rng: damaged(rng, _parquet(rows)), _PAIRS),
        ("p.parquet", lambda rng: damaged(rng, _parquet(talk)), said),
        ("p.csv", lambda rng: damaged(rng, b"l_id,r_id,label\n0,0,1\n1,0,0\n"), ids),
        ("tableA.csv", lambda rng: damaged(rng, tables["tableA.csv"]), ids),
    ]

    def attempt(rng: Random) -> RawTable:
        for path in (folder / "pairs").iterdir():
            path.unlink()
        name, draw, options = rng.choice(kinds)
        if options is ids:
            for table, content in tables.items():
                (folder / "pairs" / table).write_bytes(content)
            (folder / "pairs/p.csv").write_bytes(b"l_id,r_id,label\n0,0,1\n1,0,0\n")
        (folder / "pairs" / name).write_bytes(draw(rng))
        return read_raw("entity_resolution", folder, options)

    return attempt


def own_table(folder: Path) -> Attempt:
    """A person's CSV file beside a folder of images, for a task of their own."""
    for name in "abc":
        (folder / f"{name}.jpg").write_bytes(jpeg())
    path = folder / "labels.csv"
    path.write_text("name,label,patient,path\na,x,P1,a.jpg\nb,y,P1,b.jpg\nc,x,P2,c.jpg\n")
    columns = {"id": "name", "label": "label", "group": "patient", "file": "path"}
    return _one_of([path], lambda: read_rows(folder, path, columns))


def questions(folder: Path) -> Attempt:
    """A person's questions about images, as JSON lines or one array."""
    (folder / "0.jpg").write_bytes(jpeg())
    rows = [
        {
            "split": split, "case_id": f"c{n}", "image_id": "i", "image": "0.jpg",
            "question": "What?", "answer": "That.", "mode": "CT",
        }
        for n, split in enumerate(("train", "dev"))
    ]  # fmt: skip
    path = folder / "vqa.jsonl"

    def attempt(rng: Random) -> object:
        draw = rng.choice((lambda: _damaged_lines(rows, rng), lambda: as_json(rng, rows)))
        path.write_bytes(draw())
        return pack(path, folder / "out")

    return attempt


def images(folder: Path) -> Attempt:
    """Image files of every kind that is opened."""
    picture = Image.linear_gradient("L").resize((60, 40)).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    seeds = []
    for kind, options in (
        ("JPEG", {"exif": exif}), ("JPEG", {"progressive": True}), ("PNG", {}), ("BMP", {}),
        ("GIF", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("WEBP", {}),
        ("WEBP", {"lossless": True, "exif": exif}),
    ):  # fmt: skip
        picture.save(buffer := io.BytesIO(), kind, **options)
        seeds.append(buffer.getvalue())
    seeds.append(encoded(ct()))

    def attempt(rng: Random) -> None:
        try:
            convert(damaged(rng, rng.choice(seeds)), _EXTRACT)
        except ValueError as rejection:  # which extract reports with the image's name
            raise VerdictError(str(rejection)) from None

    return attempt


def predictions(folder: Path) -> Attempt:
    """Predictions that a judge pulled."""
    path = folder / "predictions.parquet"
    write_predictions(path, drawn("tuned", seed=1, signal=1.0, records=40, groups=10))
    return _one_of([path], lambda: read_predictions(path))


def pulled(folder: Path) -> Attempt:
    """Records, splits and conversations that a judge pulled."""
    options = Format(
        form="turns", system="s", prompt="?", answers={"a": "Yes.", "b": "No."}, positive="a"
    )
    rows = [RawRow(f"r{n}", f"g{n}", "ab"[n % 2], {"sex": "male"}, str(n)) for n in range(40)]
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        for n in range(40):
            archive.writestr(f"{n}.jpg", jpeg())
    table = RawTable(rows, [("r1", "r2")], ZipImages(folder / "images.zip"))
    extract(table, _EXTRACT, folder / "records")
    records = read_records(folder / "records")
    assignment = {record.id: SPLITS[n % 3] for n, record in enumerate(records)}
    write_split(folder / "splits", Division(assignment))
    write_chat(folder / "chat", records, assignment, options)

    def read() -> None:
        images = ImageStore(folder / "records")
        for record in read_records(folder / "records"):
            images[record.id]
        read_duplicates(folder / "records")
        read_split(folder / "splits")
        read_answers(folder / "chat")
        for split in SPLITS:
            read_conversations(folder / "chat" / f"{split}.jsonl")

    paths = [path for kind in ("records", "splits", "chat") for path in (folder / kind).iterdir()]
    return _one_of(sorted(paths), read)


def _one_of(paths: Sequence[Path], read: Callable[[], object]) -> Attempt:
    sound = {path: path.read_bytes() for path in paths}

    def attempt(rng: Random) -> object:
        path = rng.choice(paths)
        path.write_bytes(damaged(rng, sound[path]))
        try:
            return read()
        finally:
            path.write_bytes(sound[path])

    return attempt


def _read_images(source: ImageSource) -> None:
    source.digest()
    places = source.places()
    with source.open() as reader:
        for place in places.values():
            with suppress(ValueError):  # a rejection, which names the image
                reader.read(place)


def _zip(method: int) -> bytes:
    with zipfile.ZipFile(buffer := io.BytesIO(), "w", method) as archive:
        for n, name in enumerate(("train/a.jpg", "train/é.jpg", "b" * 290 + ".png")):
            with archive.open(name, "w", force_zip64=n == 1) as member:
                member.write(jpeg())
        archive.comment = b"made by somebody else"
    return buffer.getvalue()


def _parquet(rows: list[dict[str, Any]], **options: Any) -> bytes:
    pq.write_table(pa.Table.from_pylist(rows), buffer := io.BytesIO(), **options)
    return buffer.getvalue()


def _damaged_table(rows: list[dict[str, str]], separator: str, rng: Random) -> bytes:
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    return damaged(rng, "".join(separator.join(line) + "\n" for line in lines).encode())


def _damaged_lines(rows: list[dict[str, Any]], rng: Random) -> bytes:
    texts = [json.dumps(altered(rng, row) if rng.random() < 0.5 else row) for row in rows]
    data = "".join(text + "\n" for text in texts).encode()
    return damaged(rng, data) if rng.random() < 0.5 else data


def _as_it_is(_: Random, data: bytes) -> bytes:
    return data
