"""Pre-flight refuses an adapter that does not come back, and batches that change a row."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from testing.preflight import WAYS, Flight
from testing.tiny import LORA, MODEL, Tiny
from verdict.core.errors import VerdictError

torch = pytest.importorskip("torch")


def drop(ending: str) -> Callable[[Path], None]:
    from safetensors.torch import load_file, save_file

    def edit(folder: Path) -> None:
        path = folder / "adapter_model.safetensors"
        weights = load_file(path)
        kept = {name: value for name, value in weights.items() if not name.endswith(ending)}
        assert len(kept) < len(weights)
        save_file(kept, path, metadata={"format": "pt"})

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda folder: (folder / "adapter_model.safetensors").unlink(), "wrote no weights"),
        (
            drop("layers.1.mlp.up_proj.lora_B.weight"),
            r"layers\.1\.mlp\.up_proj.* did not come back",
        ),
        (drop("mm_soft_emb_norm.weight"), "the saved adapter lacks .*mm_soft_emb_norm"),
    ],
)
def test_an_adapter_that_does_not_come_back_is_refused(
    tiny: Tiny, edit: Callable[[Path], None], message: str
) -> None:
    flight = Flight(tiny)
    save = flight.model.save_pretrained

    def broken(folder: str) -> None:
        save(folder)
        edit(Path(folder))

    flight.model.save_pretrained = broken
    before = flight.snapshot()
    with pytest.raises(VerdictError, match=message):
        flight.run()
    assert flight.snapshot() == before


def test_an_adapter_without_effect_is_refused(tiny: Tiny) -> None:
    from verdict.training.adaptation import adapter_modules
    from verdict.training.preflight_passes import check_reload

    flight = Flight(tiny, lora=LORA.model_copy(update={"modules_to_save": []}))
    for layer in adapter_modules(flight.model).values():
        layer.scaling["default"] = 0.0
    with pytest.raises(VerdictError, match="the adapter has no effect"):
        check_reload(flight.rows())


def test_logits_that_differ_from_call_to_call_are_refused(tiny: Tiny) -> None:
    flight = Flight(tiny)
    head = flight.model.get_base_model().lm_head
    head.register_forward_hook(lambda *call: call[-1] + torch.rand(1))
    with pytest.raises(VerdictError, match="the same weights give other logits the second time"):
        flight.run()


@pytest.mark.parametrize("way", ["lora", "qlora", "classifier"])
def test_an_image_that_goes_to_another_row_is_refused(tiny: Tiny, way: str) -> None:
    flight = Flight(tiny, **WAYS[way])

    def mix(batch: dict[str, Any]) -> None:
        batch["pixel_values"] = batch["pixel_values"].roll(1, 0)

    flight.edit_batches(mix)
    with pytest.raises(
        VerdictError, match=r"row r\d\d has loss \d\.\d{6} alone, but \d\.\d{6} in a"
    ):
        flight.run()


def test_padding_that_is_read_is_refused(tiny: Tiny) -> None:
    from verdict.training.preflight_passes import check_batch

    flight = Flight(tiny)

    def pad_left_unmasked(batch: dict[str, Any]) -> None:
        for name in ("input_ids", "labels", "token_type_ids", "attention_mask"):
            rows = [
                row.roll(int((mask == 0).sum()))
                for row, mask in zip(batch[name], batch["attention_mask"].clone(), strict=True)
            ]
            batch[name] = torch.stack(rows)
        batch["attention_mask"] = torch.ones_like(batch["attention_mask"])

    flight.edit_batches(pad_left_unmasked)
    with pytest.raises(VerdictError, match="alone, but"):
        check_batch(flight.rows(), MODEL)
