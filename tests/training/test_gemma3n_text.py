"""Gemma 3n's language model, without the towers: what adapters learn, and scores from its cache."""

from pathlib import Path
from typing import Any

import pytest

from testing.preflight import Flight
from testing.tiny import LORA, MODEL, QLORA, TRAIN, Tiny
from testing.tiny_texts import build_text_tiny
from verdict.core.errors import VerdictError

torch = pytest.importorskip("torch")

ALL_LINEAR = LORA.model_copy(update={"target_modules": "all-linear", "modules_to_save": []})
WITHOUT_ALTUP = ALL_LINEAR.model_copy(update={"exclude_modules": r".*\.correction_coefs"})
FROZEN = TRAIN.model_copy(update={"freeze": ["embeddings"]})


def build(tokenizer: Any) -> Any:
    from transformers import Gemma3nForCausalLM, Gemma3nTextConfig

    model = Gemma3nForCausalLM(
        Gemma3nTextConfig(
            vocab_size=-(-len(tokenizer) // 64) * 64,
            vocab_size_per_layer_input=len(tokenizer),
            hidden_size=128,
            hidden_size_per_layer_input=64,
            intermediate_size=256,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=32,
            layer_types=["sliding_attention", "full_attention"] * 2,
            num_kv_shared_layers=2,
            activation_sparsity_pattern=[0.95, 0.0, 0.0, 0.0],
            max_position_embeddings=512,
            sliding_window=16,
            initializer_range=0.088,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    for layer in model.model.layers:
        # transformers starts this at zero, which shuts the per-layer embeddings off.
        torch.nn.init.ones_(layer.altup.correct_output_scale)
    return model


@pytest.fixture(scope="module")
def gemma3n(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return build_text_tiny(tmp_path_factory.mktemp("gemma3n"), build)


def test_adapters_that_cannot_learn_are_named(gemma3n: Tiny) -> None:
    with pytest.raises(VerdictError, match=r"no usable gradient .* reaches .*correction_coefs"):
        Flight(gemma3n, lora=ALL_LINEAR, train=FROZEN).run()


@pytest.mark.parametrize("options", [{}, {"quantization": QLORA}], ids=["lora", "qlora"])
def test_the_others_learn(gemma3n: Tiny, options: dict[str, Any]) -> None:
    figures = Flight(gemma3n, lora=WITHOUT_ALTUP, train=FROZEN, **options).run().as_json()
    assert figures["modules"]["adapters_by_part"] == {"language_model": 4 * 13 - 4 + 7}


def test_scores_from_the_cache_equal_a_full_pass(gemma3n: Tiny, tmp_path: Path) -> None:
    from verdict.answers.batches import batches
    from verdict.answers.inference import load_for_inference
    from verdict.answers.score import Scorer
    from verdict.models.chat import candidate_ids

    loaded = load_for_inference(gemma3n.base, gemma3n.base / "config.json", MODEL, "cpu")
    rows = gemma3n.conversations
    candidates = candidate_ids(loaded.processor, rows[0].prompt, gemma3n.answers)
    scorer = Scorer(loaded.model)
    for batch in batches(loaded.processor, rows, gemma3n.images, 4, "cpu"):
        scores = scorer(batch.inputs, candidates)
        start = batch.inputs["input_ids"].shape[1] - 1
        for row, ids in enumerate(batch.inputs["input_ids"]):
            for index, candidate in enumerate(candidates):
                whole = torch.cat([ids, torch.tensor(candidate)])[None]
                with torch.no_grad():
                    logits = loaded.model(input_ids=whole, use_cache=False).logits[0]
                expected = sum(
                    logits[start + i].log_softmax(-1)[token].item()
                    for i, token in enumerate(candidate)
                )
                assert scores[row][index] == pytest.approx(expected, abs=1e-3)
