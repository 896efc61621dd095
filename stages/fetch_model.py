"""Bring one model: a hub snapshot at a fixed revision, a GGUF file, or an embedded tiny one."""

import functools
import sys

from verdict.core.paths import MODELS
from verdict.params import Params
from verdict.params.data import EMBEDDED
from verdict.pipeline.stage import key_of, run
from verdict.reproducibility import pin_cpu
from verdict.sources.hub import fetch_model
from verdict.sources.weights import fetch_gguf


def main(name: str, params: Params) -> None:
    source, destination = params.models[name], MODELS / name
    if source.revision is not None and source.name != EMBEDDED:
        fetch_model(source.name, source.revision, destination)
        return
    # What imports torch comes only now: it must find the pins in its environment.
    pin_cpu(params.reproducibility)
    if source.gguf is not None:
        from verdict.gguf.conversion import convert

        named = functools.partial(convert, chat_template=source.gguf.chat_template)
        fetch_gguf(source.gguf, destination, named)
        return
    assert source.embedded is not None
    from verdict.tiny_models.builder import build_model

    build_model(destination, source.embedded)


if __name__ == "__main__":
    name = key_of(sys.argv[1])
    run(f"fetch_model@{name}", lambda params: main(name, params))
