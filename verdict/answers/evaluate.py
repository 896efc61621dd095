"""Ask a model about every record: scoring the candidates and generating, or classifying."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from verdict.answers.asking import Answered, Asker, Part
from verdict.answers.parts import Parts
from verdict.answers.prompts import Planned, answer_of, candidate_ids, over_limit, plan_batches
from verdict.answers.workers import Workers
from verdict.conversations import Answers, Conversation
from verdict.core.errors import VerdictError
from verdict.core.progress import progress
from verdict.models.control_tokens import check_control_tokens
from verdict.models.inference import Loaded
from verdict.parse import Parsed, parse_answer
from verdict.predictions import Predictions, make_predictions
from verdict.records.shards import ImageStore


def predict(
    name: str,
    loaded: Loaded,
    conversations: Sequence[Conversation],
    images: ImageStore,
    answers: Answers,
    *,
    batch_size: int,
    max_new_tokens: int,
    device: str,
    length_normalization: str = "none",
    parts: Parts | None = None,
    workers: Workers | None = None,
    on_rate: Callable[[float], None] = lambda rate: None,
) -> Predictions:
    """Return one prediction a conversation, under the model's ``name``.

    A classifier writes nothing: ``generated`` is empty, and ``parsed`` its likeliest label. Where
    the task is free text, there is nothing to score or parse: the model only writes.

    The batch size changes no answer. It moves log-probabilities in their last digits (by less than
    0.0001 in float32), since a matrix product adds up in another order for another shape; two runs
    with one batch size are equal to the bit.

    Args:
        length_normalization: ``tokens`` divides each candidate's log-likelihood by its number of
            tokens, the end of the turn included; ``none`` leaves it.
        parts: where finished batches are kept, and found again by a run that goes on; None keeps
            nothing.
        workers: who has the model (``workers.answering``), so that ``loaded`` needs no weights, and
            the same records; None asks in this process.
        on_rate: called with the records a second, if any was asked about in this run.

    Raises:
        VerdictError: a classifier whose labels are not those of ``answers``, or a record that
            holds a control token of this model, or is longer than its context.
    """
    if loaded.labels is not None and set(loaded.labels) != set(answers.labels):
        raise VerdictError(
            f"{name} is a classifier for {', '.join(loaded.labels)}, but format.answers has "
            f"{', '.join(answers.labels) or 'no labels'}; run `dvc repro train`"
        )
    by_token = length_normalization == "tokens"
    check_control_tokens(conversations, loaded.processor)
    plan = plan_batches(loaded.processor, conversations, batch_size)
    if over := too_long(loaded, plan, images, answers):
        longest = max(over, key=over.__getitem__)
        raise VerdictError(
            f"record {longest} has {over[longest]} tokens with its longest answer, but the model "
            f"reads at most {loaded.limit} (max_position_embeddings); so have {len(over):,} "
            "records. Shorten format.system, format.prompt, format.answers, or the texts of the "
            "records"
        )
    ids = [[row.id for row in planned.conversations] for planned in plan]
    kept = parts.read(ids) if parts else []
    done = {n: [Answered(*one) for one in part["answered"]] for n, part in enumerate(kept)}
    ways = kept[-1]["ways"] if kept else {}
    if kept:
        print(f"{name}: resuming: {len(kept)} of {len(plan)} batches were done", flush=True)
    if len(kept) < len(plan):
        if workers is None:
            asker = Asker(loaded, answers, max_new_tokens, by_token=by_token)
            rest = asker.ask(plan[len(kept) :], images, device, ways)
            coming: Iterator[tuple[int, Part]] = enumerate(rest, len(kept))
        else:
            coming = workers.ask(plan, len(kept), ways)
        with progress(f"evaluate {name}", unit="records") as bar:
            bar.begin(len(conversations), sum(len(part) for part in done.values()))
            for number, part in coming:
                if parts:
                    parts.write(number, ids[number], part._asdict())
                done[number] = part.answered
                bar.advance(len(part.answered))
            on_rate(bar.rate)
    answered = [one for number in range(len(plan)) for one in done[number]]
    order = [row for planned in plan for row in planned.conversations]
    return make_predictions(
        name,
        answers.labels,
        answers.positive if len(answers.labels) == 2 else None,
        [_row(*pair, loaded, answers) for pair in zip(order, answered, strict=True)],
        length_normalization if loaded.labels is None and answers.labels else None,
    )


def too_long(
    loaded: Loaded, plan: Sequence[Planned], images: ImageStore, answers: Answers
) -> dict[str, int]:
    """Return the tokens of each record that, with its longest answer, is longer than the context.

    Its images are expanded.
    """
    if loaded.limit is None or not plan:
        return {}
    answer = _longest_answer(loaded, plan[0].conversations[0], answers)
    return over_limit(loaded.processor, plan, images, loaded.limit, answer)


def _longest_answer(loaded: Loaded, conversation: Conversation, answers: Answers) -> int:
    """Return the tokens of the longest answer that is scored; none where none is."""
    if loaded.labels is not None or not answers.labels:
        return 0
    candidates = candidate_ids(loaded.processor, conversation.prompt, answers)
    return max(len(candidate) for candidate in candidates)


def _row(
    conversation: Conversation, answered: Answered, loaded: Loaded, answers: Answers
) -> dict[str, Any]:
    scores, text = answered
    if loaded.labels is not None:
        parsed = Parsed(answers.labels[scores.index(max(scores))], None)
    elif answers.labels:
        parsed = parse_answer(text, answers)
    else:
        parsed = Parsed(None, None if text else "empty")
    return {
        "id": conversation.id,
        "group": conversation.group,
        "other_group": conversation.other_group,
        "label": conversation.label if answers.labels else None,
        "answer": answer_of(conversation),
        "generated": text,
        "parsed": parsed.label,
        "invalid_reason": parsed.reason,
        "log_probabilities": scores,
        "attributes": conversation.attributes,
        "prompt_sha256": conversation.prompt_sha256,
    }
