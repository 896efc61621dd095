"""What one model answered, as a table with one row a record."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import logsumexp, softmax

from verdict.parse import UNFINISHED

#: One row a record. ``other_group`` is the second group of a record that links two (a pair of
#: entries), else null. ``answer`` is the text that was to be written. ``log_probabilities`` are
#: those of the candidate answers or, from a classifier, of the labels; of an answer all that is
#: written counts, the end of turn included. A classifier writes nothing: its
#: ``generated`` is empty, and its ``parsed`` the likeliest label, so that the metrics of generated
#: answers equal those of the likeliest label.
#: A free-text task has no labels: ``label``, ``predicted`` and ``parsed`` are null, and
#: ``log_probabilities`` is empty.
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("group", pa.string()),
        pa.field("other_group", pa.string()),
        pa.field("label", pa.string()),
        pa.field("answer", pa.string()),
        pa.field("predicted", pa.string()),
        pa.field("generated", pa.string()),
        pa.field("parsed", pa.string()),
        pa.field("invalid_reason", pa.string()),
        pa.field("log_probabilities", pa.list_(pa.float64())),
        pa.field("attributes", pa.map_(pa.string(), pa.string())),
        pa.field("prompt_sha256", pa.string()),
    ]
)

#: Behind the others where a model thought before it answered; null where it did not. ``generated``
#: is what it wrote afterwards: nothing where the thought did not end.
THOUGHT = pa.field("thought", pa.string())

#: How the log-likelihood of an answer is made comparable: as it is, or divided by the answer's
#: number of tokens.
LENGTH_NORMALIZATIONS = ("none", "tokens")

#: The key of the JSON object in the Parquet schema's metadata: model, labels, positive,
#: length_normalization.
METADATA_KEY = b"verdict"


@dataclass(frozen=True)
class Predictions:
    """What one model answered, sorted by id; arrays below have one entry a record (n).

    Labels are given as codes: their positions in ``labels``.

    A cell holds the records of one group, or those that link the same two groups, whichever of the
    two comes first. It is the smallest unit that a bootstrap over groups counts as a whole.
    """

    model: str
    #: The candidate labels; none where the task is free text.
    labels: tuple[str, ...]
    #: The label that recall, precision and AUROC are about; None unless there are two labels.
    positive: str | None
    #: The rows, in ``SCHEMA``.
    table: pa.Table
    #: One of ``LENGTH_NORMALIZATIONS``; None where no answers were scored: from a classifier, or
    #: where the task is free text.
    length_normalization: str | None = None

    def __len__(self) -> int:
        return self.table.num_rows

    @property
    def binary(self) -> bool:
        return len(self.labels) == 2

    @property
    def free_text(self) -> bool:
        """Whether answers are texts of their own, each beside its reference text."""
        return not self.labels

    @property
    def positive_code(self) -> int:
        """The code of the positive label of a binary task."""
        if self.positive is None:
            raise ValueError(f"the predictions of {self.model} have no positive label")
        return self.labels.index(self.positive)

    @property
    def thinking(self) -> bool:
        """Whether it thought before it answered, be it about one record."""
        return THOUGHT.name in self.table.schema.names

    @cached_property
    def ids(self) -> np.ndarray:
        """Strings (n), in rising order."""
        return self._strings("id")

    @cached_property
    def groups(self) -> np.ndarray:
        """Strings (n): the patient, case or lesion of each record."""
        return self._strings("group")

    @cached_property
    def other_groups(self) -> np.ndarray:
        """Strings (n): the second group of each record that links two; None of the others."""
        return self._strings("other_group")

    @property
    def group_names(self) -> np.ndarray:
        """Strings (groups): every group, on either side, in rising order."""
        return self._cells[0]

    @property
    def cell_groups(self) -> np.ndarray:
        """Positions (cells, 2) in ``group_names`` of the groups of each cell, in rising order.

        Both are the same where a cell has one group. Without links the cells are the groups.
        """
        return self._cells[1]

    @property
    def cell_codes(self) -> np.ndarray:
        """Codes (n) of the records' cells: their positions in ``cell_groups``."""
        return self._cells[2]

    @property
    def linked(self) -> bool:
        """Whether any record links two groups."""
        return bool((self.cell_groups[:, 0] != self.cell_groups[:, 1]).any())

    @property
    def independent(self) -> bool:
        """Whether no two records share a group, on either side."""
        first, second = self.cell_groups[self.cell_codes].T
        return len(self) + int((first != second).sum()) == len(self.group_names)

    @cached_property
    def prompts(self) -> np.ndarray:
        """Strings (n): the SHA-256 of each record's prompt."""
        return self._strings("prompt_sha256")

    @cached_property
    def answers(self) -> np.ndarray:
        """Strings (n): the reference texts."""
        return self._strings("answer")

    @cached_property
    def generated(self) -> np.ndarray:
        """Strings (n): what the model wrote."""
        return self._strings("generated")

    @cached_property
    def attributes(self) -> list[dict[str, str]]:
        """What else is known of each record (n): its sex, site, magnification …"""
        return [dict(pairs) for pairs in self.table["attributes"].to_pylist()]

    @cached_property
    def actual(self) -> np.ndarray:
        """Codes (n) of the true labels."""
        return self._codes("label")

    @cached_property
    def predicted(self) -> np.ndarray:
        """Codes (n) of the likeliest labels."""
        return self._codes("predicted")

    @cached_property
    def parsed(self) -> np.ndarray:
        """Codes (n) of the labels in the generated answers; -1 where there is none."""
        return self._codes("parsed")

    @cached_property
    def log_probabilities(self) -> np.ndarray:
        """Log-likelihoods (n, labels) of the candidate answers, in nats; null becomes NaN.

        A token's, on average, where ``length_normalization`` is ``tokens``.
        """
        values = self.table["log_probabilities"].combine_chunks().flatten()
        numbers = values.to_numpy(zero_copy_only=False).astype(np.float64)
        return numbers.reshape(len(self), len(self.labels))

    @cached_property
    def probabilities(self) -> np.ndarray:
        """Probabilities (n, labels) of the labels: the softmax of their log-probabilities."""
        return softmax(self.log_probabilities, axis=1)

    @cached_property
    def scores(self) -> np.ndarray:
        """Log-odds (n, labels) of each label against all others, under a softmax.

        They rank records exactly as the softmax probabilities do, but do not run into ties at 0
        and 1 as those do, so ranking metrics take these.
        """
        values = self.log_probabilities
        others = [logsumexp(np.delete(values, i, axis=1), axis=1) for i in range(values.shape[1])]
        return values - np.stack(others, axis=1)

    def thought(self, row: int) -> str | None:
        """Return what the model thought before it answered a record; None where it did not."""
        return self.table[THOUGHT.name][row].as_py() if self.thinking else None

    @cached_property
    def unfinished(self) -> np.ndarray:
        """Bool (n): whether it thought without coming to an end."""
        return self._strings("invalid_reason") == UNFINISHED

    def beside_thoughts(self) -> "Predictions":
        """Return the same as of one that could think, to stand beside others that did."""
        if self.thinking:
            return self
        nothing = pa.nulls(len(self), THOUGHT.type)
        return replace(self, table=self.table.append_column(THOUGHT, nothing))

    def part(self, chosen: np.ndarray) -> "Predictions":
        """Return the records that a bool array (n) chooses."""
        return replace(self, table=self.table.filter(chosen))

    @cached_property
    def _cells(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        second_groups = pc.coalesce(self.table["other_group"], self.table["group"])
        both = np.concatenate([self.groups, second_groups.to_numpy(zero_copy_only=False)])
        names, codes = np.unique(both, return_inverse=True)
        first, second = np.sort(codes.reshape(2, len(self)), axis=0)
        cells, cell_codes = np.unique(first * len(names) + second, return_inverse=True)
        return names, np.stack(np.divmod(cells, max(1, len(names))), axis=1), cell_codes

    def _strings(self, column: str) -> np.ndarray:
        return self.table[column].to_numpy(zero_copy_only=False).astype(object)

    def _codes(self, column: str) -> np.ndarray:
        codes = pc.index_in(self.table[column], value_set=pa.array(self.labels, pa.string()))
        return codes.fill_null(-1).to_numpy().astype(np.int64)
