"""The data set in Croissant 1.0 (https://docs.mlcommons.org/croissant/docs/croissant-spec-1.0.html).

Described are the files as they came and the records made of them, each with the MD5 that dvc.lock
has. ``mlcroissant``, the format's own library, reads and validates it in the tests.
"""

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from verdict.core.errors import VerdictError
from verdict.core.paths import RAW, RECORDS
from verdict.params.data import DataTerms, Terms
from verify.pipeline import Pipeline

#: The specification's own ``@context``, whole, as its readers expect it.
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{
        name: f"cr:{name}"
        for name in (
            "citeAs", "column", "equivalentProperty", "extract", "field", "fileObject",
            "fileProperty", "fileSet", "format", "includes", "isLiveDataset", "jsonPath", "key",
            "md5", "parentField", "path", "recordSet", "references", "regex", "repeated",
            "replace", "samplingRate", "separator", "source", "subField", "transform",
        )
    },
}  # fmt: skip
_FORMATS = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".jsonl": "application/jsonlines",
    ".parquet": "application/x-parquet",
    ".tsv": "text/tab-separated-values",
    ".zip": "application/zip",
}


def describe_data(
    root: Path, pipeline: Pipeline, terms: Terms, *, title: str, description: str, day: str
) -> dict[str, Any]:
    """Return the description of a project's data set.

    Args:
        pipeline: what dvc.lock has.
        terms: what its use is bound to.
        title, description: of a data set that has none of its own: one made here.
        day: when that was made, as ISO 8601 has it.

    Raises:
        VerdictError: the raw files' or the records' hashes are not here.
    """
    own = terms if isinstance(terms, DataTerms) else None
    files = [*_files(pipeline, RAW), *_files(pipeline, RECORDS)]
    schema = pq.read_schema(min((root / RECORDS).glob("*.parquet")))
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": own.title if own else title,
        "description": description,
        "license": terms.address,
        "url": own.home if own else "./",
        "creator": {"@type": "sc:Organization", "name": own.creator if own else "this project"},
        "datePublished": str(datetime.date(own.published, 1, 1)) if own else day,
        "citeAs": own.cite if own else title,
        "version": "1.0.0",
        "distribution": [*files, shards()],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "records",
                "name": "records",
                "description": "One row a record: what a model is asked, and the answer.",
                "field": list(fields_of(schema)),
            }
        ],
    }


def _files(pipeline: Pipeline, folder: Path) -> Iterator[dict[str, Any]]:
    path = folder.as_posix()
    md5 = next((stage.outs[path] for stage in pipeline.stages if path in stage.outs), "")
    listing = pipeline.listing(md5) if md5 else None
    if listing is None:
        raise VerdictError(f"the hashes of {path} are not here: `dvc pull {path}`")
    for name, one in listing.items():
        yield {
            "@type": "cr:FileObject",
            "@id": f"{path}/{name}",
            "name": name,
            "contentUrl": f"{path}/{name}",
            "encodingFormat": _FORMATS.get(Path(name).suffix.lower(), "application/octet-stream"),
            "md5": one,
        }


def shards() -> dict[str, Any]:
    """Return the set of files that the records are read from."""
    return {
        "@type": "cr:FileSet",
        "@id": "shards",
        "name": "shards",
        "encodingFormat": _FORMATS[".parquet"],
        "includes": f"{RECORDS.as_posix()}/*.parquet",
    }


def fields_of(schema: pa.Schema) -> Iterator[dict[str, Any]]:
    """Yield a field for each column."""
    for column in schema:
        repeated = pa.types.is_list(column.type)
        kind, path = _kind(column.type.value_type if repeated else column.type)
        source: dict[str, Any] = {"fileSet": {"@id": "shards"}, "extract": {"column": column.name}}
        if path:
            source["transform"] = {"jsonPath": path}
        yield {
            "@type": "cr:Field",
            "@id": f"records/{column.name}",
            "name": column.name,
            "dataType": kind,
            **({"repeated": True} if repeated else {}),
            "source": source,
        }


def _kind(kind: pa.DataType) -> tuple[str, str]:
    """Return the type of a column's values, and where in a structure they are."""
    if pa.types.is_struct(kind) and "bytes" in kind.names:
        return "sc:ImageObject", "bytes"
    if pa.types.is_integer(kind):
        return "sc:Integer", ""
    if pa.types.is_floating(kind):
        return "sc:Float", ""
    if pa.types.is_boolean(kind):
        return "sc:Boolean", ""
    return "sc:Text", ""
