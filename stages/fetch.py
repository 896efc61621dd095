"""Bring the raw data: published files by their addresses, or the embedded synthetic archive."""

from verdict.core.files import replacing
from verdict.core.paths import RAW
from verdict.params import Params
from verdict.pipeline.stage import run
from verdict.sources.data import fetch_data
from verdict.tasks import check_files, load_archive, make_archive


def main(params: Params) -> None:
    if params.fetch.source == "embedded":
        with replacing(RAW) as partial:
            make_archive(params.task, partial, params.fetch.embedded)
        return
    check_files(params.task, params.fetch.files)
    fetch_data(load_archive(params.task).FILES, params.fetch, RAW)


if __name__ == "__main__":
    run("fetch", main)
