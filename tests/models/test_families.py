"""Every family of models, tiny, through the whole of its life: train, evaluate, export, predict."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from testing.published import save_narrow
from testing.tiny import LORA, MODEL, TRAIN, Tiny, ask_tiny, train_tiny
from testing.tiny_texts import PAIRS, build_text_tiny
from tests.answers.saved import PROJECTIONS, load, save
from tests.tools.test_predict_texts import ER
from tests.tools.tried import lines, runner, text_project
from tools.export import merging
from tools.export.parity import Prompts
from tools.predict.answering import chosen
from verdict.params.file import read_params

torch = pytest.importorskip("torch")


def _gemma3n(folder: Path, tiny: Tiny) -> Tiny:
    from verdict.tiny_models.gemma3n import build_gemma3n_processor, build_untrained_gemma3n

    processor = build_gemma3n_processor()
    torch.manual_seed(1)
    build_untrained_gemma3n(processor.tokenizer).save_pretrained(folder / "base")
    processor.save_pretrained(folder / "base")
    return dataclasses.replace(tiny, base=folder / "base")


def _gemma4(folder: Path, tiny: Tiny) -> Tiny:
    save_narrow(folder / "base", "google/gemma-4-e4b-it")
    return dataclasses.replace(tiny, base=folder / "base")


def _qwen(folder: Path, tiny: Tiny) -> Tiny:
    from tests.training.qwen import build_qwen

    return build_qwen(folder / "base", tiny)


@dataclasses.dataclass(frozen=True)
class Family:
    """A family: how its tiny model is made, and what is expected of it."""

    build: Callable[[Path, Tiny], Tiny]
    #: What others load its exported processor as.
    processor: str
    #: Matrices of the language model under an adapter.
    adapters: int
    #: Modules that learn whole.
    whole: tuple[str, ...] = ()
    #: How it is asked, where it sees no images.
    recipe: dict[str, Any] = dataclasses.field(default_factory=dict)


FAMILIES = {
    "Gemma 3": Family(
        lambda folder, tiny: tiny, "Gemma3Processor", 2 * 7, ("multi_modal_projector",)
    ),
    # Keys and values of the last two layers are those of the layers before.
    "Gemma 3n": Family(_gemma3n, "Gemma3nProcessor", 4 * 7 - 2 * 2),
    "Gemma 4": Family(_gemma4, "Gemma4Processor", 4 * 7 - 2 * 2, ("embed_vision",)),
    "text alone": Family(
        lambda folder, _: build_text_tiny(folder), "GemmaTokenizer", 2 * 7,
        recipe=ER | {"format": PAIRS.model_dump()},
    ),
    "Qwen2.5-VL": Family(_qwen, "Qwen2_5_VLProcessor", 2 * 7),
}  # fmt: skip


@pytest.mark.parametrize("name", FAMILIES)
def test_it_is_trained_evaluated_exported_and_asked(
    name: str,
    tiny: Tiny,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from transformers import AutoProcessor

    from verdict.answers.inference import Loaded
    from verdict.models.load import load_processor

    family = FAMILIES[name]
    ours = family.build(tmp_path, tiny)
    lora = LORA.model_copy(
        update={
            "target_modules": PROJECTIONS,
            "exclude_modules": r".*(vision_tower|audio_tower|visual).*",
            "modules_to_save": list(family.whole),
        }
    )
    freeze = ["embeddings", "vision_tower", "audio_tower"]
    if not family.whole:
        freeze.append("projector")
    options = TRAIN.model_copy(
        update={"freeze": freeze, "save_strategy": "no", "learning_rate": 0.02}
    )
    training = train_tiny(ours, tmp_path / "checkpoints", lora=lora, options=options)
    assert training.log[-1]["loss"] < training.log[0]["loss"]
    learned = [p for n, p in training.model.named_parameters() if "lora_B" in n]
    assert len(learned) == family.adapters
    assert all(parameter.abs().max() > 0 for parameter in learned)

    root = text_project(tmp_path / "project", ours, family.recipe)
    (root / "data").mkdir()
    for part in ("records", "chat"):
        (root / "data" / part).symlink_to(getattr(ours, part))
    adapter = save(ours, root / "models/adapter", training.model, None)
    trained = Loaded(training.model.eval(), load_processor(ours.base), None)
    kept = ask_tiny(ours, trained, ours.validation, batch_size=4)
    alone = ask_tiny(ours, load(ours, adapter), ours.validation, batch_size=1)
    assert alone.table.drop(["log_probabilities"]) == kept.table.drop(["log_probabilities"])
    assert abs(alone.log_probabilities - kept.log_probabilities).max() < 1e-3

    monkeypatch.chdir(root)
    monkeypatch.setattr(merging, "_logits_of", logits_in_this_process)
    params = read_params()
    parity = merging.export(params, chosen(params, None, None), Path("exported"), 2, print)
    assert parity.holds
    assert type(AutoProcessor.from_pretrained(root / "exported")).__name__ == family.processor

    run = runner(root, monkeypatch)
    asked: list[str | Path] = ["--pair", "green shape", "red shape"]
    if not family.recipe:
        asked = ["--image", tmp_path / "square.jpg"]
        (tmp_path / "square.jpg").write_bytes(ours.images[ours.conversations[0].id])
    capsys.readouterr()
    assert run(*asked, "--json") == 0
    (root / "models/base").unlink()
    assert run(*asked, "--json", "--adapter", "exported") == 0
    first, second = lines(capsys.readouterr().out)
    # In bfloat16; as p(1 - p) is at most ¼, this is 0.2 or more in log-odds.
    assert second["probabilities"] == pytest.approx(first["probabilities"], abs=0.05)


def logits_in_this_process(folder: Path, prompts: int) -> dict[str, Any]:
    """Load what was stored here, which saves seconds."""
    from tools.export import DTYPE

    return {
        dtype: Prompts(prompts).logits(
            load(Tiny(folder, *[None] * 6), folder, MODEL.model_copy(update={"dtype": dtype})),  # type: ignore[list-item]
            "cpu",
        )
        for dtype in {MODEL.dtype, DTYPE}
    }
