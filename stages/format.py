"""Write each record as a conversation: one prompt for training and for evaluation."""

from collections.abc import Sequence

from verdict.conversations import converse, write_chat
from verdict.core.errors import VerdictError
from verdict.core.paths import BASE, CHAT, RECORDS, SPLITS
from verdict.params import Params
from verdict.pipeline.stage import run
from verdict.records.shards import Record, read_records
from verdict.reproducibility import go_offline
from verdict.splitting.files import read_split


def main(params: Params) -> None:
    go_offline()
    # Imported only now: the hub's library must find that in its environment.
    from transformers.utils import LEGACY_PROCESSOR_CHAT_TEMPLATE_FILE

    from verdict.models.chat import check_control_tokens, no_chat_template
    from verdict.models.folder import load_tokenizer

    records, splits = read_records(RECORDS), read_split(SPLITS)
    check_subgroups([record for record in records if splits.get(record.id) == "test"], params)
    asked = (converse(record, params.format) for record in records if record.id in splits)
    tokenizer = load_tokenizer(BASE)
    known = tokenizer.chat_template or (BASE / LEGACY_PROCESSOR_CHAT_TEMPLATE_FILE).is_file()
    if params.format.form == "turns" and not known:
        raise no_chat_template(BASE)
    check_control_tokens(asked, tokenizer)
    write_chat(CHAT, records, splits, params.format)


def check_subgroups(records: Sequence[Record], params: Params) -> None:
    """See, before any training, that ``compare`` will find the attributes that it is asked for."""
    known = sorted({name for record in records for name in record.attributes})
    if unknown := [name for name in params.compare.subgroups if name not in known]:
        raise VerdictError(
            f"compare.subgroups: no test record has the attribute {', '.join(unknown)}; there are "
            f"{', '.join(known) or 'none'}. Correct the list in params.yaml; [] is for none"
        )


if __name__ == "__main__":
    run("format", main)
