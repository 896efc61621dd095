"""What ``benchmarks.processors`` runs on each processor: digests of what the project computes.

``python -m benchmarks.parts.processors_played FOLDER KIND…`` prints a JSON mapping: for each kind
what was computed, and the SHA-256 of its bytes. The folder holds the tiny base and records, as
``testing.tiny.build_tiny`` makes them.
"""

import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from verdict.params import Reproducibility
from verdict.reproducibility import make_deterministic, pin_cpu

PINNED = Reproducibility(device="cpu", cpu_isa="avx2", threads=1, strict=True)
#: Values of each function, and of each type.
VALUES = 100_000
#: Functions of MKL's vector library and of torch's own, with the range of their arguments. Left out
#: are asin, acos, atan, log10 and tan: in the mode that the pins choose, MKL's differ from maker to
#: maker, and nothing here uses them.
FUNCTIONS = {
    (-1.0, 1.0): "erfinv atanh",
    (0.0, 1e4): "sqrt",
    (-20.0, 20.0): "abs neg ceil floor round trunc erf erfc exp exp2 expm1 sigmoid tanh silu "
    "cos sin sinh cosh softplus gelu",
    (1e-9, 1e4): "log log1p log2 lgamma digamma rsqrt reciprocal",
}
#: Rows, inner size and columns of matrix products.
PRODUCTS = [(1, 64, 64), (7, 128, 33), (24, 128, 512), (1520, 640, 2048), (300, 1024, 128)]


def operations(_: Path) -> Iterator[tuple[str, Any]]:
    """Yield what single operations give, and the weights of a small network after 12 steps."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int, kind: torch.dtype = torch.float32) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=kind)

    for kind in (torch.float32, torch.float64):
        size = str(kind).removeprefix("torch.")
        for (low, high), names in FUNCTIONS.items():
            at = torch.rand(VALUES, generator=generator, dtype=kind) * (high - low) + low
            for name in names.split():
                yield f"{name} {size}", (getattr(torch, name, None) or getattr(F, name))(at)
        for rows, inner, columns in PRODUCTS:
            product = drawn(rows, inner, kind=kind) @ drawn(inner, columns, kind=kind)
            yield f"product {rows}x{inner}x{columns} {size}", product
        yield f"sum {size}", drawn(VALUES, kind=kind).sum()
        yield f"norm {size}", drawn(VALUES, kind=kind).norm()
        yield f"softmax {size}", drawn(300, 333, kind=kind).softmax(-1)
        yield f"layer norm {size}", F.layer_norm(drawn(300, 320, kind=kind), (320,))
        yield f"root of a mean {size}", drawn(300, 320, kind=kind).pow(2).mean(-1).pow(-0.5)
        query, key, value = (drawn(2, 4, 77, 32, kind=kind) for _ in range(3))
        for causal in (False, True):
            seen = F.scaled_dot_product_attention(query, key, value, is_causal=causal)
            yield f"attention {size}, causal {causal}", seen
    yield "convolution", F.conv2d(drawn(24, 3, 64, 64), drawn(64, 3, 8, 8), stride=8)

    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(64, 4, 128, dropout=0.1, batch_first=True)
    net = nn.Sequential(nn.Conv2d(3, 64, 8, 8), nn.Flatten(2), layer, nn.Linear(64, 5))
    optimizer = torch.optim.AdamW(net.parameters(), fused=True)
    for _step in range(12):
        loss = F.cross_entropy(net(drawn(8, 3, 64, 64)).flatten(0, 1), torch.arange(512) % 5)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    for name, weights in net.named_parameters():
        yield f"twelve steps: {name}", weights


def base(_: Path) -> Iterator[tuple[str, Any]]:
    """Yield the weights of tiny models after a few steps of each kind of lesson."""
    # Not of `build_model`, which rounds them to bfloat16: a difference could hide.
    from verdict.params.data import EmbeddedModel
    from verdict.tiny_models.builder import _BUILDERS

    for architecture, lessons in (
        ("gemma3", "shapes"),
        ("gemma3n", "shapes"),
        ("gemma4", "shapes"),
        ("gemma3_text", "comparisons"),
    ):
        chosen: Any = {"architecture": architecture, "lessons": lessons}
        options = EmbeddedModel(**chosen, seed=1, steps=6)
        make_deterministic(options.seed)
        model, _processor = _BUILDERS[architecture, lessons](options)
        for name, weights in model.state_dict().items():
            yield f"{architecture}: {name}", weights


def training(folder: Path, way: str) -> Iterator[tuple[str, Any]]:
    """Yield the weights that a few steps of training learned."""
    from testing.preflight import CLASSIFY, DORA, FULL
    from testing.tiny import LORA, MODEL, QLORA, TRAIN, open_tiny, train_tiny

    cached = MODEL.model_copy(update={"cache_vision_features": True})
    language = LORA.model_copy(
        update={"target_modules": r".*language_model.*\.(q|v)_proj", "modules_to_save": []}
    )
    weighted = TRAIN.model_copy(update={"class_imbalance": "weighted_loss"})
    ways: dict[str, dict[str, Any]] = {
        "LoRA": {},
        "QLoRA": {"quantization": QLORA},
        "DoRA": {"lora": DORA},
        "full": {"options": FULL},
        "classifier": {"model": CLASSIFY, "options": weighted},
        "cached features": {"model": cached, "lora": language},
    }
    with tempfile.TemporaryDirectory() as checkpoints:
        done = train_tiny(open_tiny(folder), Path(checkpoints), **ways[way])
    yield "loss curve", json.dumps(done.log).encode()
    for name, weights in done.model.named_parameters():
        if weights.requires_grad:
            yield name, weights


def answers(folder: Path) -> Iterator[tuple[str, Any]]:
    """Yield what the tiny base answers: each record's log-probabilities and words."""
    from testing.tiny import MODEL, ask_tiny, open_tiny
    from verdict.answers.inference import load_for_inference

    tiny = open_tiny(folder)
    loaded = load_for_inference(tiny.base, tiny.base / "config.json", MODEL, "cpu")
    given = ask_tiny(tiny, loaded, name="base", max_new_tokens=8)
    for row in given.table.to_pylist():
        yield row["id"], repr(row).encode()


#: What is played, by name, with what it takes besides the folder.
KINDS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "operations": (operations, ()),
    "pre-training": (base, ()),
    **{
        way: (training, (way,))
        for way in ("LoRA", "QLoRA", "DoRA", "full", "classifier", "cached features")
    },
    "evaluation": (answers, ()),
}


def digest(value: Any) -> str:
    """Return the SHA-256 of bytes, or of a tensor's."""
    if not isinstance(value, bytes):
        value = value.detach().contiguous().numpy().tobytes()
    return hashlib.sha256(value).hexdigest()


def main() -> None:
    folder, kinds = Path(sys.argv[1]), sys.argv[2:]
    pin_cpu(PINNED)
    found = {}
    for kind in kinds:
        make_deterministic(1)
        play, more = KINDS[kind]
        found[kind] = {name: digest(value) for name, value in play(folder, *more)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
