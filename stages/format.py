"""Write each record as a conversation: one prompt for training and for evaluation."""

from pathlib import Path

from verdict.params import Params
from verdict.records.conversations import converse, write_chat
from verdict.records.shards import read_records
from verdict.records.split_files import read_split
from verdict.reproducibility import go_offline
from verdict.stage import run

RECORDS, SPLITS, CHAT = Path("data/records"), Path("data/splits"), Path("data/chat")
BASE = Path("models/base")


def main(params: Params) -> None:
    go_offline()
    # Imported only now: the hub's library must find that in its environment.
    from verdict.models.control_tokens import check_control_tokens
    from verdict.models.load import load_processor

    records, splits = read_records(RECORDS), read_split(SPLITS)
    asked = (converse(record, params.format) for record in records if record.id in splits)
    check_control_tokens(asked, load_processor(BASE))
    write_chat(CHAT, records, splits, params.format)


if __name__ == "__main__":
    run("format", main)
