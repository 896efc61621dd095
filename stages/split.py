"""Divide the records into train, validation and test; no patient and no duplicate crosses."""

from pathlib import Path

from verdict.files import write_json
from verdict.params import Params
from verdict.records.duplicates import read_duplicates
from verdict.records.shards import read_records
from verdict.records.splitting import describe_split, split_records, write_split
from verdict.stage import run

RECORDS, SPLITS = Path("data/records"), Path("data/splits")


def main(params: Params) -> None:
    records, duplicates = read_records(RECORDS), read_duplicates(RECORDS)
    assignment = split_records(records, duplicates, params.split)
    write_split(SPLITS, assignment)
    write_json("metrics/split.json", describe_split(records, duplicates, assignment, params.split))


if __name__ == "__main__":
    run("split", main)
