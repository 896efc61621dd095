"""Entry points of the fuzzer that read texts of somebody else: parameters, locks, answers."""

import hashlib
import json
import os
import shutil
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from unittest.mock import patch

from pydantic import ValidationError

from benchmarks.parts.fuzz_draws import NASTY, as_json, damaged, words
from benchmarks.parts.fuzz_files import Attempt
from tools.leftovers import leftovers
from tools.recipe import validate, validate_recipe
from tools.rendering import RECIPES, recipe_values, recipes, render
from verdict.core.errors import VerdictError
from verdict.core.paths import COMPARISON, LOCK_FILE, PARAMS_FILE, PREDICTIONS
from verdict.core.yaml12 import dump_yaml, load_yaml
from verdict.models.provenance import read_provenance
from verdict.params.data import Format
from verdict.parse import misread, parse_answer
from verdict.predictions.origin import edited_by_hand
from verdict.sources.addresses import own_name, redacted, refuse_secrets
from verify import compare
from verify.signature import claimed

#: Aliases that stand for a thousand million values.
_MULTIPLIED = "\n".join(
    ["a0: &a0 [x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10))]
)


@dataclass(frozen=True)
class _Answers:
    answers: dict[str, str]


def parameters(folder: Path) -> Attempt:
    """``params.yaml`` of a stranger's commit, of every embedded recipe."""
    values = [recipe_values(path) for path in sorted((RECIPES / "embedded").glob("*.yaml"))]
    texts = [dump_yaml(value).encode() for value in values]
    path = folder / "params.yaml"

    def attempt(rng: Random) -> None:
        match rng.randrange(8):
            case 0:
                key = rng.choice(list(values[0]))
                content = dump_yaml({**values[0], key: 0}).encode()
                content = f"{_MULTIPLIED}\n".encode() + content.replace(b": 0\n", b": *a9\n")
            case 1 | 2 | 3:
                content = damaged(rng, rng.choice(texts))
            case _:
                content = as_json(rng, rng.choice(values))
        path.write_bytes(content)
        dump_yaml(validate(path).model_dump())

    return attempt


def recipe_files(folder: Path) -> Attempt:
    """A stranger's recipe: what it renders to means what it says."""
    whole = shutil.copytree(RECIPES, folder / "recipes", ignore=shutil.ignore_patterns("mine"))
    paths = [path for name, path in recipes(whole).items() if name.startswith("embedded/")]
    texts = [path.read_bytes() for path in paths]
    values = [load_yaml(text, path) for text, path in zip(texts, paths, strict=True)]
    path = whole / "own.yaml"

    def attempt(rng: Random) -> None:
        match rng.randrange(4):
            case 0:
                path.write_bytes(as_json(rng, rng.choice(values)))
            case _:
                path.write_bytes(damaged(rng, rng.choice(texts)))
        validate_recipe(path)
        if load_yaml(render(path), path) != recipe_values(path):
            raise AssertionError(path.read_bytes())

    return attempt


def locks(folder: Path) -> Attempt:
    """``dvc.lock`` of a stranger's commit, and the numbers beside it."""
    os.chdir(folder)
    output, lock = PREDICTIONS / "base.parquet", LOCK_FILE
    output.parent.mkdir(parents=True)
    output.write_bytes(b"predictions")
    numbers = {
        "kind": "binary", "candidate": "tuned", "baseline": "base", "models": ["base", "tuned"],
        "replicates": [], "records": 9, "groups": 9, "verdict": "Tuning raised it by 0.5.",
        "tuned_minus_base.balanced_accuracy": 0.5, "tuned_minus_base.balanced_accuracy_low": 0.4,
        "tuned_minus_base.balanced_accuracy_high": 0.6, "tuned.balanced_accuracy": 0.9,
    }  # fmt: skip
    sound = json.dumps(numbers).encode()
    md5 = hashlib.md5(output.read_bytes(), usedforsecurity=False).hexdigest()
    stage = {
        "cmd": "python -m stages.evaluate",
        "deps": [{"path": "data/chat", "md5": "0" * 32}],
        "params": {str(PARAMS_FILE): {"evaluate.batch_size": 8, "model": {"dtype": "float32"}}},
        "outs": [{"path": str(output), "hash": "md5", "md5": md5, "size": 11}],
    }
    report = {
        "cmd": "python -m stages.report",
        "outs": [
            {
                "path": str(COMPARISON),
                "md5": hashlib.md5(sound, usedforsecurity=False).hexdigest(),
            }
        ],
    }
    content = {"schema": "2.0", "stages": {"evaluate@base": stage, "report": report}}
    COMPARISON.parent.mkdir(parents=True)

    def attempt(rng: Random) -> None:
        drawn = [as_json(rng, content), json.dumps(content).encode()]
        rng.shuffle(drawn)
        of_commit, of_file = (as_json(rng, numbers) if rng.random() < 0.3 else sound, sound)
        committed = {str(LOCK_FILE): drawn[0], str(COMPARISON): of_commit}
        lock.write_bytes(drawn[1])
        COMPARISON.write_bytes(of_file)

        def git(_: Path, __: str, name: str) -> str:
            return committed[name.removeprefix("HEAD:./")].decode("utf-8", "replace")

        for read in (
            lambda: edited_by_hand(output, lock),
            lambda: leftovers({"tuned"}, "a recipe"),
            lambda: compare.compare_with_commit(Path()),
        ):
            with patch.object(compare, "git", git), suppress(VerdictError):
                read()

    return attempt


def answers(_: Path) -> Attempt:
    """What a model wrote, whatever it is, with whatever answers a person expects."""

    def attempt(rng: Random) -> None:
        given = {f"label_{n}": words(rng, 5) for n in range(rng.randrange(1, 5))}
        length = 400 if rng.random() < 0.02 else 12
        parse_answer(words(rng, length), _Answers(given))
        misread(given)
        with suppress(ValidationError):  # which read_params puts into words
            Format(
                form="turns",
                system="",
                prompt="?",
                answers=given,
                positive=rng.choice([*given, None]),
            )

    return attempt


def addresses(_: Path) -> Attempt:
    """Addresses in params.yaml, on command lines, and in redirects."""
    seeds = (
        "https://user:word@example.org:443/a/b%2Fc.zip?X-Amz-Signature=1&b=2#c", "file:///a/b.zip",
        "hf://datasets/owner/name@" + "0" * 40 + "/data/*.parquet", "gs://bucket/a/b.zip",
        "kaggle://owner/name/versions/3", "s3://bucket/a/../b", "~/data/a.zip", "C:\\data\\a.zip",
    )  # fmt: skip

    def attempt(rng: Random) -> None:
        address = damaged(rng, rng.choice(seeds).encode()).decode("utf-8", "surrogateescape")
        redacted(address)
        own_name(address)
        refuse_secrets(address)

    return attempt


def provenances(folder: Path) -> Attempt:
    """What stands beside an adapter that somebody else trained."""
    content = {
        "base": {"name": "owner/model", "revision": None, "sha256": "0" * 64}, "labels": ["a"],
        "parameters": {"lora": {"r": 8}}, "versions": {"torch": "2.0"},
    }  # fmt: skip

    def attempt(rng: Random) -> object:
        (folder / "provenance.json").write_bytes(as_json(rng, content))
        return read_provenance(folder)

    return attempt


def signatures(folder: Path) -> Attempt:
    """A signed statement, as a judge gets it."""
    statement = {
        "predicate": {
            "commit": "0" * 40, "resources": [{"name": "a", "digest": "1" * 64}], "outputs": ["a"],
            "cached": [], "environment": {"python": "3"}, "verification": "It holds.",
        }
    }  # fmt: skip
    path = folder / "verification.sig"

    def attempt(rng: Random) -> object:
        payload = as_json(rng, statement) if rng.random() < 0.7 else json.dumps(statement).encode()
        envelope = {"payload": b64encode(payload).decode(), "signatures": [{"sig": "AA=="}]}
        bundle = {"dsseEnvelope": envelope, "mediaType": str(rng.choice(NASTY))}
        whole = json.dumps(bundle).encode()
        path.write_bytes(as_json(rng, bundle) if rng.random() < 0.5 else whole)
        return claimed(path)

    return attempt
