"""The model card: what the hub reads of it, and that its numbers are the compared ones."""

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from testing.samples import (
    SETTINGS,
    compare,
    drawn,
    skin_models,
    text_models,
    tissue_models,
)
from tests.report.terms import HAI_DEF, USED
from verdict.core.errors import VerdictError
from verdict.core.files import write_json
from verdict.predictions import Predictions
from verdict.report.card import write_card
from verdict.report.terms import OWN, Used

PART = {"records": 60, "groups": 12, "label_benign": 40, "label_melanoma": 20}
APART = {"groups": 0, "test_groups": 0, "identical": 0, "duplicate_pairs": 0}
SPLIT = {
    "crosses_splits": APART,
    "train": PART,
    "validation": PART,
    "test": PART,
    "image_level_split_would_leak": {"test_groups": 12, "test_groups_also_in_training": 11},
}
PARAMETERS = {
    "model": {"task": "generate", "dtype": "bfloat16"},
    "quantization": {"load_in_4bit": True},
    "lora": {"r": 32, "lora_alpha": 16, "lora_dropout": 0.05},
    "train": {
        "method": "lora",
        "learning_rate": 0.00002,
        "lr_scheduler_type": "cosine",
        "num_train_epochs": 3.0,
        "max_steps": None,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 4,
        "class_imbalance": "none",
        "seed": 42,
    },
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project's metrics and adapter as the stages leave them."""
    metrics = tmp_path / "metrics"
    write_json(metrics / "split.json", SPLIT)
    write_json(metrics / "extract.json", {"records": 180, "groups": 36, "rejected": 2})
    write_json(
        metrics / "train.json",
        {"trainable_parameters": 32_788_480, "trainable_share": 0.0076, "steps": 99, "rows": 60},
    )
    write_json(metrics / "preflight.json", {"image_tokens": {"image_tokens_a_row": [256]}})
    base = {"name": "google/gemma-3-4b-it", "revision": "0" * 40, "sha256": "1" * 64}
    write_json(
        tmp_path / "models/adapter/provenance.json", {"base": base, "parameters": PARAMETERS}
    )
    return tmp_path


def card_of(
    project: Path,
    models: list[Predictions],
    limits: tuple[str, ...] = (),
    used: Sequence[Used] = USED,
    **options: Any,
) -> ModelCard:
    settings = SETTINGS | {"noun": "patients", "synthetic": True} | options
    numbers = compare(models, **settings).to_json()
    write_json(project / "metrics/report/comparison.json", numbers)
    path = project / "model_card.md"
    write_card(
        path,
        project / "metrics",
        project / "models/adapter",
        task="melanoma",
        limits=limits,
        used=used,
    )
    return ModelCard.load(path)


@pytest.mark.parametrize(
    "models",
    [skin_models(), tissue_models(), text_models()],
    ids=["two labels", "eight labels", "texts"],
)
def test_the_hub_reads_every_metric_with_its_interval(
    project: Path, models: list[Predictions]
) -> None:
    card = card_of(project, models)
    numbers = compare(models, **SETTINGS).flat()
    assert card.data.base_model == "google/gemma-3-4b-it"
    assert card.data.pipeline_tag == "image-text-to-text"
    assert card.data.library_name == "peft"
    results = {result.metric_type: result for result in card.data.eval_results}
    decisive = "token_f1" if models[0].free_text else "balanced_accuracy"
    assert len(results) > 4
    for metric, result in results.items():
        assert result.metric_value == numbers[f"tuned.{metric}"], metric
        assert result.metric_args["low"] == numbers[f"tuned.{metric}_low"]
    assert decisive in results
    assert results[decisive].dataset_name == "melanoma (synthetic)"


def test_people_read_where_it_comes_from_and_what_it_is_not_for(project: Path) -> None:
    text = card_of(project, skin_models(), ("Nothing is known of skin tones.",)).text
    flat = " ".join(text.split())
    for sentence in (
        "It is not for diagnosis",
        "Not a medical device, not for diagnosis.",
        "`google/gemma-3-4b-it` at revision `0000",
        "32,788,480 of its parameters (0.76 %) learned in 99 steps from 60 records",
        "2 images were rejected",
        "A split by single records would have put 11 of 12 patients",
        "Nothing is known of skin tones.",
        "The data are synthetic",
        "Tuning raised balanced accuracy from 0.52 to 0.79",
        "| rows a step | 4 |",
        "trained with one seed",
    ):
        assert sentence in flat, sentence
    assert "None" not in text
    assert re.search(r"\| balanced accuracy \| 0\.\d{3} \(0\.\d{3} to 0\.\d{3}\)", text)


def test_the_plain_form_is_told(project: Path) -> None:
    said = "| conversation | in the plain form: without turns, the answer follows the question |"
    assert "conversation" not in card_of(project, skin_models()).text
    flight = {"image_tokens": {"image_tokens_a_row": [0]}, "plain_form": {"end": "<eos>"}}
    write_json(project / "metrics/preflight.json", flight)
    assert said in card_of(project, skin_models()).text


def test_people_read_what_quantization_has_left_of_the_base(project: Path) -> None:
    weights = {
        "format": "GGUF",
        "quantization": "Q4_K_M",
        "bits_a_weight": 7.36,
        "sha256": "2" * 64,
    }
    base = {"name": "google/gemma-3-270m", "revision": None, "sha256": "1" * 64}
    write_json(
        project / "models/adapter/provenance.json",
        {"base": {**base, "weights": {**weights, "license": "gemma"}}, "parameters": PARAMETERS},
    )
    card = card_of(project, skin_models(), used=[USED[0], Used("Model", "terms.models", None)])
    assert (card.data.base_model, card.data.license) == ("google/gemma-3-270m", "gemma")
    assert (
        "`google/gemma-3-270m` (from a GGUF file, Q4_K_M: 7.36 bits a weight on average, unpacked "
        "to bfloat16), trained as" in " ".join(card.text.split())
    )


def test_a_baseline_stands_beside_the_result_and_is_called_so(project: Path) -> None:
    rival = drawn("rival", seed=9, signal=1.2)
    trained = {"trained": {"rival": "similarities"}}
    models = [*skin_models(), rival]
    flat = " ".join(card_of(project, models, **trained).text.split())
    (remark,) = compare(models, **SETTINGS, **trained).verdict.remarks
    assert remark in flat
    assert "| reference | rival (baseline) | majority |" in flat
    assert "chosen on the validation split: rival, logistic regression on string" in flat


def test_the_bytes_depend_on_the_numbers_alone(project: Path) -> None:
    card_of(project, skin_models())
    first = (project / "model_card.md").read_bytes()
    card_of(project, skin_models())
    assert (project / "model_card.md").read_bytes() == first
    assert b"\n\n\n" not in first


@pytest.mark.parametrize(
    ("gone", "command"), [("metrics/split.json", "split"), ("models/adapter", "train")]
)
def test_a_missing_file_is_named(project: Path, gone: str, command: str) -> None:
    card_of(project, skin_models())
    path = project / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    before = (project / "model_card.md").read_bytes()
    with pytest.raises(VerdictError, match=f"{gone}.*dvc repro {command}"):
        write_card(
            project / "model_card.md",
            project / "metrics",
            project / "models/adapter",
            task="melanoma",
            limits=(),
            used=USED,
        )
    assert (project / "model_card.md").read_bytes() == before


def test_the_card_claims_no_more_than_was_counted(project: Path) -> None:
    text = " ".join(card_of(project, skin_models()).text.split())
    assert "The splits share no group (patients), no identical image" in text
    write_json(project / "metrics/preflight.json", {"image_tokens": {}})
    assert "no identical text" in " ".join(card_of(project, skin_models()).text.split())
    kept = APART | {"groups": 1473, "test_groups": 9}
    write_json(project / "metrics/split.json", SPLIT | {"crosses_splits": kept})
    text = " ".join(card_of(project, skin_models()).text.split())
    assert "share no" not in text
    assert "1,473 patients are in more than one split, 9 of the 12 of the test split" in text


def test_the_card_tells_steps_where_they_end_the_training(project: Path) -> None:
    path = project / "models/adapter/provenance.json"
    assert "| epochs at most | 3 |" in card_of(project, skin_models()).text
    origin = json.loads(path.read_text("utf-8"))
    origin["parameters"]["train"]["max_steps"] = 1200
    write_json(path, origin)
    text = card_of(project, skin_models()).text
    assert "| steps at most | 1,200 |" in text
    assert "epochs" not in text


def test_the_terms_of_data_and_models_are_carried(project: Path) -> None:
    card = card_of(project, skin_models())
    assert card.data.license == "gemma"
    flat = " ".join(card.text.split())
    for said in (
        "- Data set Skin of 2020: CC BY-NC 4.0 (https://creativecommons.org/licenses/by-nc/4.0/). "
        "By A. Nyone, 2020: https://doi.org/10.1/x. Cite: Nyone, 2020.",
        "- Model google/gemma-3-4b-it: Gemma Terms of Use (https://ai.google.dev/gemma/terms). "
        "Gemma is provided under and subject to the Gemma Terms of Use.",
        "The weights were changed by fine-tuning",
    ):
        assert said in flat, said


def test_a_licence_that_the_hub_does_not_know_has_name_and_address(project: Path) -> None:
    used = [USED[0], Used("Model google/medgemma-4b-it", "terms.models.x", HAI_DEF)]
    header = card_of(project, skin_models(), used=used).data.to_dict()
    assert header["license"] == "other"
    assert header["license_name"] == "health-ai-developer-foundations-terms-of-use"
    assert header["license_link"] == HAI_DEF.address


def test_terms_that_nobody_has_stated_are_told(project: Path) -> None:
    used = [Used("Data set", "terms.data", None), Used("Tiny models", "terms.models", OWN)]
    card = card_of(project, skin_models(), used=used)
    assert card.data.license == "apache-2.0"
    assert "- Data set: not stated (terms.data in params.yaml is empty)." in card.text
    used = [USED[0], Used("Model a/b", "terms.models.a/b", None)]
    assert card_of(project, skin_models(), used=used).data.license is None
