"""Bring the raw data: published files by their addresses, or the embedded synthetic archive."""

from verdict.params import Params
from verdict.paths import RAW
from verdict.pipeline.stage import run
from verdict.sources.data import fetch_data


def main(params: Params) -> None:
    fetch_data(params.task, params.fetch, RAW)


if __name__ == "__main__":
    run("fetch", main)
