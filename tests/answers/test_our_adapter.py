"""An adapter that this project trained, as peft and transformers load it by themselves."""

import json
from pathlib import Path
from typing import Any

import pytest

from testing.tiny import LORA, MODEL, NOT_QUANTIZED, TRAIN, Tiny, train_tiny
from testing.tiny_texts import PAIRS
from tests.answers.saved import PROJECTIONS, asked, load
from tests.tools.tried import text_project

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def ours(text: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that this project trained."""
    from verdict.models.load import load_processor
    from verdict.training.results import save_adapter

    folder = tmp_path_factory.mktemp("ours")
    lora = LORA.model_copy(update={"target_modules": PROJECTIONS, "modules_to_save": []})
    options = TRAIN.model_copy(
        update={"max_steps": 120, "save_strategy": "no", "learning_rate": 0.02,
                "freeze": ["embeddings"], "per_device_train_batch_size": 6}
    )  # fmt: skip
    training = train_tiny(
        text, folder / "x", lora=lora, options=options, quantization=NOT_QUANTIZED
    )
    save_adapter(folder / "adapter", training.model, load_processor(text.base), {"labels": None})
    return folder / "adapter"


def greedy(model: Any, tokenizer: Any, text: Tiny) -> tuple[list[str], Any]:
    """Answers and first logits by plain transformers, one record after another."""
    words, logits = [], []
    for row in text.conversations:
        turns = [{**turn, "content": turn["content"][0]["text"]} for turn in row.prompt]
        inputs = tokenizer.apply_chat_template(
            turns, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        end = tokenizer.convert_tokens_to_ids("<end_of_turn>")
        output = model.generate(**inputs, max_new_tokens=16, do_sample=False, eos_token_id=[end, 1])
        written = output[0, inputs["input_ids"].shape[1] :]
        words.append(tokenizer.decode(written, skip_special_tokens=True).strip())
        with torch.inference_mode():
            logits.append(model(**inputs).logits[0, -1].float())
    return words, torch.stack(logits)


def test_our_adapter_loads_as_peft_loads_any(text: Tiny, ours: Path) -> None:
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoTokenizer

    named = json.loads((ours / "adapter_config.json").read_text())["base_model_name_or_path"]
    assert Path(named) == text.base
    model = AutoPeftModelForCausalLM.from_pretrained(ours).eval()
    words, _ = greedy(model, AutoTokenizer.from_pretrained(ours), text)
    assert words == [row["generated"] for row in asked(text, load(text, ours))]
    base = asked(text, load(text, text.base / "config.json"))
    assert words != [row["generated"] for row in base]


def test_the_merged_export_needs_transformers_alone(
    text: Tiny, ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from tools.export import merging
    from tools.export.parity import Prompts
    from tools.predict.answering import Weights
    from verdict.answers.inference import load_for_inference
    from verdict.params.file import read_params

    changes = {"format": PAIRS.model_dump(), "model": MODEL.model_dump()}
    root = text_project(tmp_path / "project", text, changes)
    (root / "data").mkdir()
    (root / "data/records").symlink_to(text.records)
    (root / "data/chat").symlink_to(text.chat)
    (root / "models/adapter").symlink_to(ours)
    monkeypatch.chdir(root)

    def here(folder: Path, prompts: int) -> dict[str, Any]:
        return {
            dtype: Prompts(prompts).logits(
                load_for_inference(
                    folder, folder, MODEL.model_copy(update={"dtype": dtype}), "cpu"
                ),
                "cpu",
            )
            for dtype in {MODEL.dtype, "bfloat16"}
        }

    monkeypatch.setattr(merging, "_logits_of", here)
    weights = Weights("tuned", Path("models/base"), Path("models/adapter"))
    merging.export(read_params(), weights, Path("exported"), 4, lambda _: None)
    exact = load_for_inference(text.base, ours, MODEL, "cpu")
    tokenizer = AutoTokenizer.from_pretrained("exported")
    expected, logits = greedy(exact.model, tokenizer, text)
    for dtype, largest in (("float32", 0.02), ("bfloat16", 0.05)):
        model = AutoModelForCausalLM.from_pretrained("exported", dtype=getattr(torch, dtype))
        words, found = greedy(model.eval(), tokenizer, text)
        assert words == expected
        # Rounding to 8 bits moves logits by this share of their spread.
        assert (found - logits).square().mean().sqrt() < largest * logits.std(), dtype
