"""Columns of records as Croissant describes them, read by the format's own library."""

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from mlcroissant import Dataset
from PIL import Image

from tools.publish.croissant import CONTEXT, fields_of, shards
from verdict.core.files import write_json
from verdict.records.shards import SCHEMA


def test_a_record_of_several_images_is_read_whole(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), "red").save(buffer, "JPEG")
    image = {"bytes": buffer.getvalue(), "path": None}
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("image", SCHEMA.field("image").type),
            ("further_images", pa.list_(SCHEMA.field("image").type)),
            ("further_sha256", pa.list_(pa.string())),
            ("row", pa.int32()),
        ]
    )
    row = {"id": "a", "image": image, "further_images": [image] * 2, "row": 7}
    file = tmp_path / "data/records/shard-00000-of-00001.parquet"
    file.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist([row | {"further_sha256": ["x", "y"]}], schema), file)
    write_json(
        tmp_path / "croissant.json",
        {
            "@context": CONTEXT,
            "@type": "sc:Dataset",
            "conformsTo": "http://mlcommons.org/croissant/1.0",
            "name": "x",
            "distribution": [shards()],
            "recordSet": [
                {
                    "@type": "cr:RecordSet",
                    "@id": "records",
                    "name": "records",
                    "field": list(fields_of(schema)),
                }
            ],
        },
    )
    (found,) = Dataset(str(tmp_path / "croissant.json")).records("records")
    assert [one.size for one in found["records/further_images"]] == [(8, 6)] * 2
    assert (found["records/further_sha256"], found["records/row"]) == ([b"x", b"y"], 7)
