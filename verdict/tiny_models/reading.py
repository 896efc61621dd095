"""Pre-train the language model to read two texts: which words recur, and which lines agree.

What recurs is learned by a head on every word of the second text that is thrown away afterwards;
to answer, from conversations. The recipe's question is among these, with every possible answer
equally often: the model learns its words, and nothing about what makes two records a match.
"""

from functools import partial
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import GemmaTokenizer

from verdict.runtime.progress import progress
from verdict.tiny_models import comparisons
from verdict.tiny_models.comparisons import Comparison
from verdict.tiny_models.conversations import IGNORED, padded
from verdict.tiny_models.halves import Halves, in_halves
from verdict.tiny_models.pretraining import optimise
from verdict.tiny_models.questions import ENTITY_RESOLUTION

#: Share of the steps that teach what recurs; the others teach answering.
READING_SHARE = 0.5
READING_BATCH, READING_RATE = 24, 3e-3
ANSWERING_BATCH, ANSWERING_RATE = 20, 3e-3
#: Rows of an answering batch that ask the recipe's question, and questions of each other row.
RECIPE_ROWS, QUESTIONS = 5, 4
#: What a word of the second text is: not in the first, in another line of it, or in the same.
RECURRENCES = 3


def pretrain(model: Any, tokenizer: GemmaTokenizer, *, seed: int, steps: int) -> None:
    """Train the language model's weights in place.

    Args:
        model: a ``Gemma3ForCausalLM`` or ``Gemma3ForConditionalGeneration``; the latter's vision
            side stays random.
    """
    language_model = getattr(model.model, "language_model", model.model)
    _look_for_the_same_word(language_model)
    head = nn.Linear(language_model.config.hidden_size, RECURRENCES)
    reader = Reader(tokenizer, np.random.default_rng([seed, 6]))
    parameters = [*language_model.parameters(), *head.parameters()]
    reading = max(1, round(READING_SHARE * steps))
    answering = max(1, steps - reading)

    def learn(halves: Halves) -> None:
        with progress("pre-train", reading + answering, "steps") as bar:
            for step in optimise(parameters, READING_RATE, reading, bar, halves):
                loss_of = partial(_loss, language_model, None, head)
                step(loss_of, reader.texts(READING_BATCH))
            for step in optimise(parameters, ANSWERING_RATE, answering, bar, halves):
                loss_of = partial(_loss, language_model, model.lm_head, head)
                step(loss_of, reader.questions(ANSWERING_BATCH))

    model.train()
    in_halves(learn, model, head)
    model.eval()


def _look_for_the_same_word(language_model: Any) -> None:
    """Start each head of all layers but the first by looking for the word that it stands on.

    Its queries are its keys. A model so small would else spend most of its steps on finding that
    out; large ones have found it in their first pre-training.
    """
    for layer in language_model.layers[1:]:
        attention = layer.self_attn
        keys = attention.k_proj.weight.data.view(-1, attention.head_dim, layer.hidden_size)
        queries = keys.repeat_interleave(attention.num_key_value_groups, dim=0)
        attention.q_proj.weight.data.copy_(queries.reshape(attention.q_proj.weight.shape))
        # Norms multiply by one more than their weight: attention is the sharper for it.
        attention.q_norm.weight.data.fill_(0.5)
        attention.k_norm.weight.data.fill_(0.5)


def _loss(
    language_model: Any,
    lm_head: nn.Module | None,
    head: nn.Module,
    ids: Tensor,
    said: Tensor,
    seen: Tensor,
) -> Tensor:
    # Rows are padded at the right, where a causal model does not look: no mask is needed.
    states = language_model(input_ids=ids, use_cache=False).last_hidden_state
    marked = seen != IGNORED
    loss = F.cross_entropy(head(states[marked]), seen[marked])
    if lm_head is not None:
        learned = said[:, 1:] != IGNORED
        loss = loss + F.cross_entropy(lm_head(states[:, :-1][learned]), said[:, 1:][learned])
    return loss


class Reader:
    """Makes batches of conversations about two texts."""

    def __init__(self, tokenizer: GemmaTokenizer, rng: np.random.Generator):
        self._tokenizer, self._rng = tokenizer, rng
        self._known: dict[str, list[int]] = {}

    def texts(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return a batch of two texts a row, nothing asked; see :meth:`questions`."""
        return self._batch([self._opened(comparisons.FRAME)[0] for _ in range(count)])

    def questions(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return token ids, what is to be said and what recurs, each of shape (rows, tokens)."""
        rows = [self._recipe_row() for _ in range(RECIPE_ROWS)]
        return self._batch(rows + [self._row() for _ in range(count - RECIPE_ROWS)])

    def _batch(self, rows: list["_Row"]) -> tuple[Tensor, Tensor, Tensor]:
        return (
            padded([row.ids for row in rows], self._tokenizer.pad_token_id),
            padded([row.said for row in rows], IGNORED),
            padded([row.seen for row in rows], IGNORED),
        )

    def _opened(self, frame: str) -> tuple["_Row", Comparison]:
        drawn = comparisons.draw(self._rng)
        row = _Row(self)
        row.hear("<bos><start_of_turn>user\n")
        row.compare(frame, drawn)
        return row, drawn

    def _row(self) -> "_Row":
        """Ask some of the questions that have an answer, in random order."""
        row, drawn = self._opened(comparisons.FRAME)
        questions = list(drawn.answers)
        chosen = self._rng.permutation(len(questions))[:QUESTIONS].tolist()
        for number, index in enumerate(chosen):
            question = questions[index]
            row.hear(("<start_of_turn>user\n" if number else "") + question.prompt)
            row.say(question.answers[drawn.answers[question]])
        return row

    def _recipe_row(self) -> "_Row":
        before, after = ENTITY_RESOLUTION.prompt.split("{text}")
        row, _ = self._opened(before + comparisons.RECORDS)
        row.hear(after)
        answers = ENTITY_RESOLUTION.answers
        row.say(answers[int(self._rng.integers(len(answers)))])
        return row

    def encoded(self, text: str) -> list[int]:
        """Return the ids of a text; the few different ones are kept."""
        if text not in self._known:
            self._known[text] = self._tokenizer(text, add_special_tokens=False).input_ids
        return self._known[text]


class _Row:
    """One conversation as it grows."""

    def __init__(self, reader: Reader):
        self._encoded = reader.encoded
        self.ids: list[int] = []
        self.said: list[int] = []
        self.seen: list[int] = []

    def hear(self, text: str) -> None:
        self._add(self._encoded(text))

    def say(self, answer: str) -> None:
        self.hear("<end_of_turn>\n<start_of_turn>model\n")
        ids = self._encoded(f"{answer}<end_of_turn>\n")
        self._add(ids, said=ids)

    def compare(self, frame: str, drawn: Comparison) -> None:
        opening, between, closing = frame.replace("{b}", "{a}").split("{a}")
        self.hear(opening)
        first: dict[int, str] = {}
        for number, (field, value) in enumerate(drawn.a.items()):
            self.hear(("\n" if number else "") + f"{field}:")
            ids = self._encoded(f" {value}")
            first |= dict.fromkeys(ids, field)
            self._add(ids)
        self.hear(between)
        for number, (field, value) in enumerate(drawn.b.items()):
            self.hear(("\n" if number else "") + f"{field}:")
            ids = self._encoded(f" {value}")
            self._add(ids, seen=[0 if i not in first else 1 + (first[i] == field) for i in ids])
        self.hear(closing)

    def _add(
        self, ids: list[int], said: list[int] | None = None, seen: list[int] | None = None
    ) -> None:
        self.ids += ids
        self.said += said or [IGNORED] * len(ids)
        self.seen += seen or [IGNORED] * len(ids)
