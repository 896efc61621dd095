"""Write each record as a conversation: one prompt for training and for evaluation."""

from pathlib import Path

from verdict.params import Params
from verdict.records.conversations import write_chat
from verdict.records.shards import read_records
from verdict.records.split_files import read_split
from verdict.stage import run

RECORDS, SPLITS, CHAT = Path("data/records"), Path("data/splits"), Path("data/chat")


def main(params: Params) -> None:
    write_chat(CHAT, read_records(RECORDS), read_split(SPLITS), params.format)


if __name__ == "__main__":
    run("format", main)
