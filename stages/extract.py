"""Turn the raw archive into canonical records: resized images and their cells, in shards.

Killed, it goes on with the shards that were not finished.
"""

from verdict.core.files import write_json
from verdict.core.paths import EXTRACT_METRICS, RAW, RECORDS
from verdict.extraction.extract import extract, folder_for
from verdict.params import Params
from verdict.pipeline.stage import run
from verdict.runtime.resume import discard, exclusive
from verdict.tasks import read_raw


def main(params: Params) -> None:
    table = read_raw(params.task, RAW, params.dataset)
    keep = folder_for(table, params.extract)
    with exclusive(keep, "extraction of the same archive", stage="extract"):
        counts = extract(table, params.extract, RECORDS, compute=params.compute, keep=keep)
        write_json(EXTRACT_METRICS, counts)
        discard(keep)


if __name__ == "__main__":
    run("extract", main)
