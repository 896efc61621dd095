"""Made-up people, what clinics wrote down about them, and which of these records to compare."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from verdict.synthetic import people
from verdict.tasks.entity_resolution.archive.options import Embedded

#: Share of people that have the name of somebody else.
_NAMESAKE_SHARE = 0.1
#: Share of people of whom a third record was written.
_THIRD_RECORD_SHARE = 0.2
#: Chance that a field of a record is written otherwise than it should be.
_NOISE = 0.16
#: Where a pair of different people comes from: the same household, the same name, or anywhere.
_RELATIVES, _NAMESAKES = 0.35, 0.15


@dataclass
class _Person:
    fields: dict[str, str]
    household: int
    namesake: int | None = None
    records: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Pair:
    """Two records as text, and whether they are of one person."""

    left: str
    right: str
    match: bool


def make_pairs(options: Embedded) -> list[Pair]:
    """Return every pair of records of one person and some of two people, in random order."""
    rng = np.random.default_rng([options.seed, 1])
    everybody = _population(rng, options.entities)
    pairs = []
    for person in everybody:
        number = 3 if rng.random() < _THIRD_RECORD_SHARE else 2
        person.records = [_written(rng, person.fields) for _ in range(number)]
        pairs += [
            Pair(person.records[i], person.records[j], True)
            for i in range(number)
            for j in range(i)
        ]
    matches = len(pairs)
    households: dict[int, list[int]] = {}
    for index, person in enumerate(everybody):
        households.setdefault(person.household, []).append(index)
    while len(pairs) < matches * (1 + options.no_match_per_match):
        index = int(rng.integers(len(everybody)))
        other = _somebody_else(rng, everybody, households, index)
        pairs.append(
            Pair(
                _one_of(rng, everybody[index].records),
                _one_of(rng, everybody[other].records),
                False,
            )
        )
    return [pairs[i] for i in rng.permutation(len(pairs)).tolist()]


def _population(rng: np.random.Generator, count: int) -> list[_Person]:
    everybody: list[_Person] = []
    household = 0
    while len(everybody) < count:
        surname, town, street = (
            _one_of(rng, list(people.SURNAMES)),
            _one_of(rng, people.TOWNS),
            f"{_one_of(rng, people.STREETS)} {_one_of(rng, list(people.STREET_KINDS))}",
        )
        for _ in range(1 + int(rng.integers(3))):
            name = f"{_one_of(rng, list(people.FIRST_NAMES))} {surname}"
            namesake = None
            if everybody and rng.random() < _NAMESAKE_SHARE:
                namesake = int(rng.integers(len(everybody)))
                name = everybody[namesake].fields["name"]
            fields = {
                "name": name,
                "born": _one_of(rng, people.BIRTH_YEARS),
                "town": town,
                "street": street,
                "condition": _one_of(rng, people.CONDITIONS),
                "allergy": _one_of(rng, people.ALLERGIES),
            }
            everybody.append(_Person(fields, household, namesake))
        household += 1
    return everybody[:count]


def _somebody_else(
    rng: np.random.Generator,
    everybody: list[_Person],
    households: dict[int, list[int]],
    index: int,
) -> int:
    """Return a person that is easily, or not so easily, told from the one at ``index``."""
    person, chance = everybody[index], rng.random()
    at_home = [other for other in households[person.household] if other != index]
    if chance < _RELATIVES and at_home:
        return _one_of(rng, at_home)
    if _RELATIVES <= chance < _RELATIVES + _NAMESAKES and person.namesake is not None:
        return person.namesake
    return (index + 1 + int(rng.integers(len(everybody) - 1))) % len(everybody)


def _written(rng: np.random.Generator, fields: dict[str, str]) -> str:
    """Return a record as a clinic wrote it: abbreviated, misspelt, in part missing or outdated."""
    result: dict[str, str] = {}
    for name in people.FIELDS:
        value = fields[name]
        if rng.random() < _NOISE:
            value = _miswritten(rng, name, value)
        if value:
            result[name] = value
    return people.as_text(result)


def _miswritten(rng: np.random.Generator, field: str, value: str) -> str:
    """Return a field otherwise than it should be; empty where it is missing."""
    kind = int(rng.integers(3))
    match field:
        case "name":
            first, last = value.split()
            return (
                f"{people.FIRST_NAMES[first]} {last}",
                f"{first} {people.SURNAMES[last]}",
                f"{last} {first}",
            )[kind]
        case "born" if kind > 0:
            position = people.BIRTH_YEARS.index(value) + (1 if kind == 1 else -1)
            return people.BIRTH_YEARS[position % len(people.BIRTH_YEARS)]
        case "street" if kind > 0:
            street, sort = value.split()
            return f"{street} {people.STREET_KINDS[sort]}"
        case "town" | "condition" | "allergy" if kind > 0:
            # Moved, or at the clinic for another reason.
            return _one_of(rng, people.words(field)[0])
    return ""


def _one_of(rng: np.random.Generator, choices: Any) -> Any:
    return choices[int(rng.integers(len(choices)))]
