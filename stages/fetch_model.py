"""Bring one base model: a hub snapshot at a fixed revision, or the embedded tiny Gemma 3."""

import sys

from verdict.core.paths import MODELS
from verdict.params import Params
from verdict.params.data import EMBEDDED
from verdict.pipeline.stage import key_of, run
from verdict.reproducibility import pin_cpu
from verdict.sources.hub import fetch_model


def main(name: str, params: Params) -> None:
    source, destination = params.models[name], MODELS / name
    if source.name != EMBEDDED:
        assert source.revision is not None
        fetch_model(source.name, source.revision, destination)
        return
    assert source.embedded is not None
    pin_cpu(params.reproducibility)
    from verdict.tiny_models.builder import build_model

    build_model(destination, source.embedded)


if __name__ == "__main__":
    name = key_of(sys.argv[1])
    run(f"fetch_model@{name}", lambda params: main(name, params))
