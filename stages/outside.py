"""Turn a test set from elsewhere into conversations, once it is known that nothing learned from it.

Its images are decoded and its prompts written as the task's own are. Killed, it goes on with the
shards that were not finished.
"""

import sys

from verdict.conversations import converse, write_chat
from verdict.core.files import write_json
from verdict.core.paths import BASE, OUTSIDE, OUTSIDE_METRICS, RECORDS, SPLITS, places_of_set
from verdict.extraction.extract import extract, folder_for
from verdict.params import Params
from verdict.pipeline.stage import key_of, run
from verdict.records.shards import read_records
from verdict.reproducibility import go_offline, pin_cpu
from verdict.runtime.resume import discard, exclusive
from verdict.splitting.files import read_split
from verdict.tasks import read_raw


def main(name: str, params: Params) -> None:
    pin_cpu(params.reproducibility)
    go_offline()
    # Imported only now: numpy and the hub's library must find that in their environment.
    from verdict.models.chat import check_control_tokens
    from verdict.models.folder import load_tokenizer
    from verdict.outside.leakage import find_leaks
    from verdict.outside.sets import describe, table_of, without_leaks

    options, (chat, shards) = params.outside[name], places_of_set(name)
    read = read_raw(params.task, OUTSIDE / name / "raw", options.dataset)
    table = table_of(name, read, options, params.format.answers or {})
    keep = folder_for(table, params.extract)
    with exclusive(keep, "extraction of the same archive", stage="outside"):
        counts = extract(table, params.extract, shards, compute=params.compute, keep=keep)
        records, own, splits = read_records(shards), read_records(RECORDS), read_split(SPLITS)
        leaks = find_leaks(records, shards, own, RECORDS, splits)
        kept = without_leaks(name, records, leaks, options)
        check_control_tokens((converse(one, params.format) for one in kept), load_tokenizer(BASE))
        assignment = dict.fromkeys((record.id for record in kept), name)
        write_chat(chat, records, assignment, params.format)
        tested = {group for one in own if splits.get(one.id) == "test" for group in one.groups}
        counts |= describe(records, kept, leaks, frozenset(tested))
        write_json(OUTSIDE_METRICS / f"{name}.json", counts)
        discard(keep)
    if gone := len(records) - len(kept):
        print(f"outside: left out {gone:,} of {len(records):,} records of {name}, seen in training")


if __name__ == "__main__":
    key = key_of(sys.argv[1])
    run(f"outside@{key}", lambda params: main(key, params))
