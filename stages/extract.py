"""Turn the raw archive into canonical records: resized images and their cells, in shards."""

from pathlib import Path

from verdict.files import write_json
from verdict.params import Params
from verdict.records.extract import extract
from verdict.stage import run
from verdict.tasks import read_raw

RAW, RECORDS = Path("data/raw"), Path("data/records")


def main(params: Params) -> None:
    table = read_raw(params.task, RAW, params.dataset)
    counts = extract(table, params.extract, RECORDS)
    write_json("metrics/extract.json", counts)


if __name__ == "__main__":
    run("extract", main)
