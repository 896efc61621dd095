"""Pre-flight of every way to train: what it reports, and that it leaves no trace."""

import json
from pathlib import Path

import pytest

from testing.preflight import CLASSIFY, WAYS, Flight
from testing.tiny import LABELS, LORA, QLORA, TRAIN, Tiny

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_train_passes_and_is_left_as_it_was(tiny: Tiny, way: str) -> None:
    flight = Flight(tiny, **WAYS[way])
    flight.model.train()
    flight.model.base_model.eval()  # a mixture, to see that it is kept
    flight.trainer.consumed.append([1, 2])
    before = flight.snapshot()
    preflight = flight.run()
    assert flight.snapshot() == before
    figures = preflight.as_json()
    assert figures["gradient"]["loss"] > 0.5
    assert figures["batch"]["tolerance"] == (0.1 if way == "bfloat16" else 1e-3)


def test_the_figures_are_the_same_whatever_ran_before(tiny: Tiny) -> None:
    flight = Flight(tiny, lora=LORA.model_copy(update={"lora_dropout": 0.5}))
    # At the start an adapter's second factor is zero, and dropout before it has no effect.
    torch.nn.init.normal_(flight.parameter("mlp.up_proj.lora_B.default.weight"))
    figures = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        figures.append(json.dumps(flight.run().as_json(), allow_nan=False))
    assert figures[0] == figures[1]


def test_what_a_writing_model_reports(tiny: Tiny) -> None:
    figures = Flight(tiny, quantization=QLORA).run().as_json()
    assert figures["labels"]["learned"] == [
        f"{answer}<end_of_turn>\n" for answer in sorted(tiny.answers.answers.values())
    ]
    assert figures["bos"] == {"rows": 12, "bos_a_row": 1}
    assert figures["image_tokens"] == {"image_tokens_a_row": [16]}
    assert figures["length"] == {"longest_row": 93, "limit": 512}
    assert figures["modules"]["adapters_by_part"] == {"language_model": 14, "vision_tower": 12}
    assert figures["modules"]["saved_modules"] == ["model.multi_modal_projector"]
    trainable = figures["trainable"]
    assert trainable["by_part"].keys() == {"language_model", "projector", "vision_tower"}
    assert sum(trainable["by_part"].values()) == trainable["trainable"] == 102_464
    # Two 4-bit weights in one byte count as two.
    assert trainable["total"] == Flight(tiny).run().as_json()["trainable"]["total"]
    assert figures["precision"] == {"trainable": "float32", "frozen": ["float32", "uint8"]}
    assert figures["reload"]["largest_change"] > 0.01
    assert figures["batch"]["rows"] == 4
    assert figures["batch"]["lengths_differ"]


def test_what_a_classifier_reports(tiny: Tiny) -> None:
    figures = Flight(tiny, model=CLASSIFY, quantization=QLORA).run().as_json()
    assert figures["labels"]["learned"] == LABELS
    assert figures["modules"]["saved_modules"] == ["model.multi_modal_projector", "score"]
    assert figures["trainable"]["by_part"]["head"] == 2 * 128


def test_the_table_has_one_line_a_check(tiny: Tiny) -> None:
    from rich.console import Console

    preflight = Flight(tiny).run()
    console = Console(width=120)
    with console.capture() as capture:
        console.print(preflight.table())
    lines = [line.rstrip() for line in capture.get().splitlines() if line.strip()]
    assert len(lines) == len(preflight.checks) + 2
    assert all(line.endswith("ok") for line in lines[2:])
    assert "longest row 93 of 512 tokens" in capture.get()


def test_training_goes_on_as_if_nothing_had_run_before(tiny: Tiny, tmp_path: Path) -> None:
    weights = []
    for checked in (False, True):
        flight = Flight(tiny, train=TRAIN.model_copy(update={"max_steps": 2}))
        flight.trainer.args.output_dir = str(tmp_path / str(checked))
        if checked:
            flight.run()
        flight.trainer.train()
        assert len(flight.trainer.consumed) == 2
        weights.append(flight.snapshot()["weights"])
    assert weights[0] == weights[1]


def test_rows_left_out_of_training_are_not_counted(tiny: Tiny) -> None:
    balanced = TRAIN.model_copy(update={"class_imbalance": "undersample"})
    flight = Flight(tiny, train=balanced, conversations=tiny.conversations[:11])
    assert flight.run().as_json()["bos"]["rows"] == 10
