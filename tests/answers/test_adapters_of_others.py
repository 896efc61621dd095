"""Adapters that others trained, in their layouts."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from testing.tiny import COMMITTED, Tiny, ask_tiny
from testing.tiny_texts import PAIRS
from tests.answers.saved import PROJECTIONS, asked, edit, load, save, trained
from tests.tools.tried import lines, runner, text_project
from verdict.core.errors import VerdictError

torch = pytest.importorskip("torch")

#: As Unsloth writes it, for the language model's layers.
REGEX = (
    r"(?:.*?(?:language|text).*?(?:self_attn|attention|attn|mlp|feed_forward|ffn|dense).*?"
    rf"(?:{'|'.join(PROJECTIONS)}).*?)|(?:\bmodel\.layers\.[\d]{{1,}}\."
    rf"(?:self_attn|attention|attn|mlp|feed_forward|ffn|dense)\.(?:(?:{'|'.join(PROJECTIONS)})))"
)


@pytest.fixture(scope="module")
def trl(text: Tiny, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The folder of an adapter that trl trained by itself, and the model as it left it."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    folder = tmp_path_factory.mktemp("trl")
    rows = [
        {
            name: [{"role": turn["role"], "content": turn["content"][0]["text"]} for turn in turns]
            for name, turns in (("prompt", row.prompt), ("completion", row.completion))
        }
        for row in text.conversations
    ]
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(text.base, dtype=torch.float32),
        args=SFTConfig(
            output_dir=str(folder / "run"), max_steps=60, per_device_train_batch_size=6,
            learning_rate=0.02, use_cpu=True, bf16=False, report_to="none", save_strategy="no",
            disable_tqdm=True, seed=3,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(text.base),
        peft_config=LoraConfig(
            r=8, lora_alpha=16, target_modules=PROJECTIONS, task_type="CAUSAL_LM"
        ),
    )  # fmt: skip
    trainer.train()
    trainer.save_model(str(folder / "adapter"))
    return folder / "adapter", trainer.model.eval()


def as_trl(_: Path, __: Tiny) -> None:
    """Nothing is changed."""


def as_axolotl(folder: Path, text: Tiny) -> None:
    """Beside adapter and tokenizer Axolotl saves the base's configuration, and checkpoints."""
    shutil.copy(text.base / "config.json", folder)
    checkpoint = Path(shutil.copytree(folder, folder / "checkpoint-60"))
    (checkpoint / "optimizer.pt").write_bytes(b"no pickle that anyone reads")
    (folder / "README.md").write_text("---\nlibrary_name: peft\n---\n")
    change = {"base_model_name_or_path": "NousResearch/gemma-3-270m-it", "peft_version": "0.17.1"}
    edit(folder / "adapter_config.json", lambda content: content.update(change))


def as_unsloth(folder: Path, _: Tiny) -> None:
    """Unsloth names modules by a pattern, and notes its patches among the classes of the base."""
    change = {
        "auto_mapping": {
            "base_model_class": "Gemma3ForCausalLM",
            "parent_library": "transformers.models.gemma3.modeling_gemma3",
            "unsloth_fixed": True,
        },
        "base_model_name_or_path": "unsloth/gemma-3-270m-it-unsloth-bnb-4bit",
        "target_modules": REGEX,
        "task_type": None,
    }
    edit(folder / "adapter_config.json", lambda content: content.update(change))


@pytest.mark.parametrize("layout", [as_trl, as_axolotl, as_unsloth])
def test_an_adapter_in_anyones_layout_answers_as_it_was_trained(
    text: Tiny, trl: tuple[Path, Any], tmp_path: Path, layout: Callable[[Path, Tiny], None]
) -> None:
    from verdict.answers.inference import Loaded
    from verdict.models.load import load_processor

    folder, model = trl
    theirs = Path(shutil.copytree(folder, tmp_path / "theirs"))
    layout(theirs, text)
    found = asked(text, load(text, theirs))
    expected = asked(text, Loaded(model, load_processor(text.base), None))
    assert [row["generated"] for row in found] == [row["generated"] for row in expected]
    for one, other in zip(found, expected, strict=True):
        assert one["log_probabilities"] == pytest.approx(other["log_probabilities"], abs=1e-4)
    base = asked(text, load(text, text.base / "config.json"))
    assert [row["generated"] for row in base] != [row["generated"] for row in found]
    assert {row["generated"] for row in found} <= set(text.answers.answers.values())


def test_it_is_asked_by_name(
    text: Tiny, trl: tuple[Path, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    from verdict.params.file import read_params
    from verdict.pipeline.validation import validate
    from verdict.predictions import read_predictions

    columns = {
        "layout": "columns", "header": True, "left": "left", "right": "right", "label": "label",
        "entities": None, "match": ["1"], "no_match": ["0"],
    }  # fmt: skip
    models = {**COMMITTED["evaluate"]["models"]}
    models["theirs"] = {"model": "models/base", "adapter": "adapters/theirs"}
    sections = {
        "task": "entity_resolution",
        "dataset": columns,
        "format": PAIRS.model_dump(),
        "evaluate": {**COMMITTED["evaluate"], "models": models},
    }
    root = text_project(tmp_path / "project", text, sections)
    monkeypatch.chdir(root)
    params = yaml.safe_load((root / "params.yaml").read_text("utf-8"))
    params["evaluate"]["max_new_tokens"] = 16
    params["fetch"]["embedded"] = {"seed": 0, "entities": 40, "no_match_per_match": 1}
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")
    (root / "adapters").mkdir()
    (root / "adapters/theirs").symlink_to(trl[0])
    expected = asked(text, load(text, trl[0]))[0]
    run = runner(root, monkeypatch)
    pair = ("green shape 0", "red shape 0")
    assert run("--model", "theirs", "--json", "--pair", *pair) == 0
    [answered] = lines(capsys.readouterr().out)
    assert answered["model"] == "theirs"
    assert answered["words"] in text.answers.answers.values()
    # As the stage asks.
    from stages import evaluate

    (root / "data").mkdir(exist_ok=True)
    for name in ("records", "chat"):
        (root / "data" / name).symlink_to(getattr(text, name))
    (root / "data/chat").unlink()
    shutil.copytree(text.chat, root / "data/chat")
    shutil.copy(text.chat / "train.jsonl", root / "data/chat/test.jsonl")
    for name in ("pin_cpu", "go_offline"):
        monkeypatch.setattr(evaluate, name, lambda *_: None)
    evaluate.main("theirs", read_params())
    [first] = [
        row
        for row in read_predictions(root / "data/predictions/theirs.parquet").table.to_pylist()
        if row["id"] == expected["id"]
    ]
    assert first["generated"] == expected["generated"]
    assert first["log_probabilities"] == pytest.approx(expected["log_probabilities"], abs=1e-4)
    (root / "adapters/theirs").unlink()
    with pytest.raises(VerdictError, match=r"evaluate\.models\.theirs\.adapter is adapters/theirs"):
        validate()


@pytest.fixture
def theirs(trl: tuple[Path, Any], tmp_path: Path) -> Path:
    """A copy of trl's adapter, free to be changed."""
    return Path(shutil.copytree(trl[0], tmp_path / "theirs"))


def test_keys_that_peft_does_not_know_are_told_unless_they_say_nothing(
    text: Tiny, theirs: Path
) -> None:
    config = theirs / "adapter_config.json"
    edit(config, lambda content: content.update(a_new_way=None, another=False, third=[]))
    expected = asked(text, load(text, theirs))
    assert len(expected) == len(text.conversations)
    edit(config, lambda content: content.update(a_new_way="fast"))
    message = r"adapter_config\.json has a_new_way, which peft 0\.\d+\.\d+ does not know"
    with pytest.raises(VerdictError, match=message):
        load(text, theirs)


def test_pickled_weights_are_refused_by_their_name(text: Tiny, theirs: Path) -> None:
    from safetensors.torch import load_file

    weights = theirs / "adapter_model.safetensors"
    torch.save(load_file(weights), theirs / "adapter_model.bin")
    weights.unlink()
    with pytest.raises(VerdictError, match=r"as a pickle, adapter_model\.bin, .* is not read"):
        load(text, theirs)


def test_an_adapter_for_another_base_names_its_own(tiny: Tiny, theirs: Path) -> None:
    edit(theirs / "adapter_config.json", lambda c: c.update(base_model_name_or_path="owner/base"))
    with pytest.raises(VerdictError, match=r"\(adapter_config\.json names owner/base\): "):
        load(tiny, theirs)


def test_a_tokenizer_alone_does_not_blind_a_model_that_sees(tiny: Tiny, tmp_path: Path) -> None:
    adapter = save(tiny, tmp_path / "adapter", trained(tiny.base), None)
    expected = ask_tiny(tiny, load(tiny, adapter)).table
    (adapter / "processor_config.json").unlink()
    loaded = load(tiny, adapter)
    assert hasattr(loaded.processor, "image_processor")
    assert ask_tiny(tiny, loaded).table == expected
