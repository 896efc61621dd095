"""What was found: for each output whether it is as recorded and whether it can be made again."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """How well something holds, the best first."""

    IDENTICAL = "identical"
    EQUIVALENT = "equivalent"
    UNCHECKED = "not checked"
    DIFFERENT = "DIFFERENT"


@dataclass(frozen=True)
class Finding:
    """A status and, unless it speaks for itself, what was seen: difference, tolerance, reason."""

    status: Status
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.status} ({self.detail})" if self.detail else str(self.status)


IDENTICAL = Finding(Status.IDENTICAL)


def equivalent(detail: str) -> Finding:
    return Finding(Status.EQUIVALENT, detail)


def unchecked(reason: str) -> Finding:
    return Finding(Status.UNCHECKED, reason)


def different(detail: str) -> Finding:
    return Finding(Status.DIFFERENT, detail)


def worst(findings: Iterable[Finding]) -> Finding:
    """Return the worst finding, with the details of all that are as bad; identical for none."""
    order = list(Status)
    found = list(findings)
    status = max((finding.status for finding in found), key=order.index, default=Status.IDENTICAL)
    details = [one.detail for one in found if one.status == status and one.detail]
    return Finding(status, "; ".join(dict.fromkeys(details)))


@dataclass
class Output:
    """An output of a stage.

    Attributes:
        recorded: whether what is here has the hash that dvc.lock has written down.
        remade: whether making it again from its inputs gives the same.
        numbers: it holds what the verdict rests on: computed from predictions.
    """

    path: str
    stage: str
    recorded: Finding
    remade: Finding
    numbers: bool = False


@dataclass
class Verification:
    """All findings about one commit.

    Attributes:
        claims: what is not about one output: parameters, code, leakage …; by name.
        seconds: how long each stage took that was run again.
    """

    commit: str
    outputs: list[Output] = field(default_factory=list)
    claims: dict[str, Finding] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def findings(self) -> list[Finding]:
        of_outputs = [one for out in self.outputs for one in (out.recorded, out.remade)]
        return [*self.claims.values(), *of_outputs]

    @property
    def differs(self) -> bool:
        """Whether anything is different."""
        return any(finding.status == Status.DIFFERENT for finding in self.findings)

    @property
    def uncomputed(self) -> list[str]:
        """The numbers that were not computed again, without which nothing is proved."""
        unsaid = Status.UNCHECKED
        return [out.path for out in self.outputs if out.numbers and out.remade.status == unsaid]

    @property
    def holds(self) -> bool:
        """Whether nothing is different, and all numbers were computed again."""
        return not (self.differs or self.uncomputed)

    @property
    def sentence(self) -> str:
        """The result in one sentence; what was not checked is in it."""
        if self.differs:
            wrong = [name for name, one in self.claims.items() if one.status == Status.DIFFERENT]
            wrong += [
                out.path
                for out in self.outputs
                if Status.DIFFERENT in (out.recorded.status, out.remade.status)
            ]
            return f"Does not hold: {', '.join(wrong)}."
        if self.uncomputed:
            first, *others = self.uncomputed
            more = f" and {len(others)} more" if others else ""
            return f"Not verified: {first}{more} could not be computed again from the predictions."
        unseen = [name for name, one in self.claims.items() if one.status == Status.UNCHECKED]
        made = [out.remade.status for out in self.outputs]
        equivalent_ones = made.count(Status.EQUIVALENT)
        left = made.count(Status.UNCHECKED)
        return (
            f"Holds: of {len(made)} outputs {made.count(Status.IDENTICAL)} were made again "
            "identically"
            + (f", {equivalent_ones} equivalently" if equivalent_ones else "")
            + (f"; {left} were not made again" if left else "")
            + (f"; not checked: {', '.join(unseen)}" if unseen else "")
            + "."
        )

    def as_json(self) -> dict[str, Any]:
        def said(finding: Finding) -> dict[str, str]:
            return {"status": finding.status.value, "detail": finding.detail}

        return {
            "commit": self.commit,
            "holds": self.holds,
            "sentence": self.sentence,
            "claims": {name: said(finding) for name, finding in self.claims.items()},
            "outputs": [
                {
                    "path": out.path,
                    "stage": out.stage,
                    "as_recorded": said(out.recorded),
                    "made_again": said(out.remade),
                }
                for out in self.outputs
            ],
            "seconds": {name: round(value, 1) for name, value in self.seconds.items()},
        }
