"""Divide the records into train, validation and test; no patient and no duplicate crosses."""

from verdict.core.files import write_json
from verdict.core.paths import RECORDS, SPLIT_METRICS, SPLITS
from verdict.params import Params
from verdict.pipeline.stage import run
from verdict.records.duplicates import read_duplicates
from verdict.records.shards import read_records
from verdict.splitting.assignment import SPLITS as SPLIT_NAMES
from verdict.splitting.assignment import split_records
from verdict.splitting.balance import balance_warning
from verdict.splitting.files import write_split
from verdict.splitting.leakage import check_split, describe_split


def main(params: Params) -> None:
    records, duplicates = read_records(RECORDS), read_duplicates(RECORDS)
    division = split_records(records, duplicates, params.split)
    keep = params.split.crossing == "keep"
    # Published splits may have too few groups of a label for a validation split with all of them.
    complete = ("train", "test") if params.split.source == "published" else SPLIT_NAMES
    check_split(records, duplicates, division.assignment, may_cross=keep, complete=complete)
    write_split(SPLITS, division)
    counts = describe_split(records, duplicates, division, params.split)
    write_json(SPLIT_METRICS, counts)
    if division.crossing:
        left_out = f"left out {len(division.left_out)} records"
        done = "kept" if keep else left_out
        print(
            f"split: the published splits divide {len(division.crossing)} groups "
            f"({', '.join(division.crossing[:3])}); {done}, by split.crossing"
        )
    if warning := balance_warning(counts):
        print(f"split: {warning}")


if __name__ == "__main__":
    run("split", main)
