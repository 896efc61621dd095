"""An adapter of peft's, whoever trained it: what its folder holds, and laying it over a model.

trl, Axolotl and Unsloth save what peft saves, and more beside it: tokenizer files, the base's
``config.json``, checkpoints in folders of their own, the trainer's pickled arguments. Nothing of
that is read but tokenizer and processor.
"""

import dataclasses
import importlib.metadata
import json
import warnings
from pathlib import Path
from typing import Any

from verdict.core.errors import VerdictError

#: What peft calls an adapter's files. peft itself is imported only for one that has such files: it
#: takes a second.
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PICKLED = "adapter_model.bin"


def check_adapter(adapter: Path) -> None:
    """Refuse weights that could run code, and a configuration that peft would read in part only.

    Keys that this version of peft does not know are ignored where they are null, false or empty.

    Raises:
        VerdictError: the weights are pickled, or a key has a value that would be left out.
        OSError: there are no weights; otherwise peft would look for them on the hub.
    """
    if not (adapter / ADAPTER_WEIGHTS).is_file():
        if (adapter / _PICKLED).is_file():
            raise VerdictError(
                f"{adapter} holds its weights as a pickle, {_PICKLED}, which could run code and is "
                f"not read; have whoever trained it save it as {ADAPTER_WEIGHTS} "
                "(safe_serialization=True)"
            )
        raise OSError(f"{ADAPTER_WEIGHTS} is missing")
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    config = json.loads((adapter / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    known = {field.name for field in dataclasses.fields(
        PEFT_TYPE_TO_CONFIG_MAPPING[config["peft_type"]]
    )}  # fmt: skip
    if unknown := sorted(key for key in config.keys() - known if config[key]):
        raise VerdictError(
            f"{adapter / ADAPTER_CONFIG} has {', '.join(unknown)}, which peft "
            f"{importlib.metadata.version('peft')} does not know, and the adapter would be another "
            "without; save it with this version of peft, or take the keys out if they say nothing "
            "about the weights"
        )


def lay_over(model: Any, adapter: Path, device: str) -> Any:
    """Return a model under an adapter.

    Raises:
        VerdictError: the adapter holds weights that its configuration does not name.
    """
    from peft import PeftModel

    with warnings.catch_warnings():
        # Modules without weights would keep those they were made with.
        warnings.filterwarnings("error", message="Found missing adapter keys")
        adapted = PeftModel.from_pretrained(model, str(adapter), torch_device=device)
    # Weights of modules that the config does not name are skipped without a word. What was loaded
    # is known to load_adapter alone, which puts the same weights to the same places once more.
    mapping = getattr(model, "_checkpoint_conversion_mapping", {})
    loaded = adapted.load_adapter(
        str(adapter), adapted.active_adapter, torch_device=device, key_mapping=mapping
    )
    if unknown := sorted(loaded.unexpected_keys):
        named = f"{', '.join(unknown[:3])}{', …' if len(unknown) > 3 else ''}"
        raise VerdictError(
            f"{adapter} holds weights that its {ADAPTER_CONFIG} does not name, and they would be "
            f"left out: {named}; run `dvc pull` or `dvc repro train`, or copy both "
            "files from where the adapter came"
        )
    return adapted


def trained_from(adapter: Path) -> str:
    """Return what an adapter's configuration calls its base, in brackets; nothing without one."""
    try:
        config = json.loads((adapter / ADAPTER_CONFIG).read_text(encoding="utf-8"))
        return f" ({ADAPTER_CONFIG} names {config['base_model_name_or_path']})"
    except (OSError, ValueError, LookupError, TypeError):
        return ""
