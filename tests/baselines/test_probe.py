"""The features of a frozen base, beside those of a plain forward pass of transformers."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, AutoProcessor

from testing.tiny import build_several
from testing.tiny_texts import PAIRS, PLAIN, build_text_tiny
from verdict.baselines.probe import BATCH, base_features
from verdict.core.errors import VerdictError
from verdict.models.chat import decode, render_prompt
from verdict.models.load import load_processor
from verdict.params.training import ModelOptions
from verdict.records.shards import shard_paths, write_shard

OPTIONS = ModelOptions(
    task="generate", dtype="float32", attn_implementation="sdpa", cache_vision_features=False
)


@pytest.fixture(scope="module", params=[PAIRS, PLAIN], ids=["turns", "plain"])
def texts(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Any:
    return build_text_tiny(tmp_path_factory.mktemp("texts"), options=request.param)


def test_of_images_they_are_the_mean_over_the_towers_patches(tiny: Any) -> None:
    rows = (tiny.conversations + tiny.validation)[: BATCH + 1]
    found = base_features(tiny.base, {"test": rows}, {"test": tiny.records}, OPTIONS, "cpu")["test"]
    model = AutoModelForImageTextToText.from_pretrained(tiny.base, dtype=torch.float32).eval()
    processor = AutoProcessor.from_pretrained(tiny.base)
    for row, features in zip(rows, found, strict=True):
        pixels = processor.image_processor(
            images=[decode(tiny.images[row.id])], return_tensors="pt"
        )
        with torch.no_grad():
            hidden = model.model.vision_tower(pixels["pixel_values"]).last_hidden_state
        assert features == pytest.approx(hidden[0].mean(dim=0).numpy(), abs=1e-5)
    assert len(found) == len(rows)


def test_of_several_images_they_are_those_of_each_side_by_side(tiny: Any, tmp_path: Path) -> None:
    two = build_several(tmp_path / "two", tiny.base)
    # A set from elsewhere, whose images are the other way round.
    (shard,) = shard_paths(two.records)
    rows = pq.read_table(shard).to_pylist()
    for row in rows:
        row["image"], row["further_images"] = row["further_images"][0], [row["image"]]
    far = tmp_path / "far"
    far.mkdir()
    write_shard(far / shard.name, rows, several=True)
    splits = {"test": two.validation, "far": two.validation}
    both = base_features(two.base, splits, {"test": two.records, "far": far}, OPTIONS, "cpu")
    found = both["test"]
    assert found.shape == (4, 2 * 64)
    turned = np.concatenate([found[:, 64:], found[:, :64]], axis=1)
    np.testing.assert_allclose(both["far"], turned, atol=1e-5)
    model = AutoModelForImageTextToText.from_pretrained(two.base, dtype=torch.float32).eval()
    processor = AutoProcessor.from_pretrained(two.base)
    for row, features in zip(two.validation, found, strict=True):
        pictures = [decode(data) for data in two.images.all(row.id)]
        pixels = processor.image_processor(images=pictures, return_tensors="pt")["pixel_values"]
        with torch.no_grad():
            hidden = model.model.vision_tower(pixels).last_hidden_state
        assert features == pytest.approx(hidden.mean(dim=1).flatten().numpy(), abs=1e-5)


def test_of_texts_they_are_the_mean_over_the_prompts_tokens(texts: Any) -> None:
    splits = {"train": texts.conversations, "validation": texts.validation}
    form = texts.answers.form
    records = dict.fromkeys(splits, texts.records)
    found = base_features(texts.base, splits, records, OPTIONS, "cpu", form)
    model = AutoModelForCausalLM.from_pretrained(texts.base, dtype=torch.float32).eval()
    processor: Any = load_processor(texts.base, form)
    for row, features in zip(texts.conversations, found["train"], strict=True):
        tokens = processor.tokenizer(
            render_prompt(processor, row.prompt), add_special_tokens=False, return_tensors="pt"
        )
        with torch.no_grad():
            hidden = model.model(**tokens).last_hidden_state
        assert features == pytest.approx(hidden[0].mean(dim=0).numpy(), abs=1e-4)
    assert np.ptp(found["validation"], axis=0).max() > 0


def test_a_model_that_sees_nothing_is_refused(texts: Any, tiny: Any, tmp_path: Path) -> None:
    rows = tiny.conversations[:2]
    with pytest.raises(VerdictError, match=r"without a vision_tower.*take the kind features"):
        base_features(
            texts.base, {"test": rows}, {"test": tiny.records}, OPTIONS, "cpu", texts.answers.form
        )
