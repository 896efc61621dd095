"""Pre-flight with the model itself: gradients, a saved adapter's return, and batches."""

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, load_peft_weights, set_peft_model_state_dict
from torch import nn

from verdict.core.errors import VerdictError
from verdict.params.training import ModelOptions
from verdict.training.adaptation import adapter_modules, named, part_of, saved_modules, some
from verdict.training.preflight_rows import Check, Rows
from verdict.training.rows import POSITIONS, WEIGHTS
from verdict.training.trainer import ExactTrainer

#: Largest difference of a row's loss alone and in a batch, by the precision of the arithmetic.
TOLERANCE = {"float32": 1e-3, "bfloat16": 0.1}
#: Standard deviation of what is added to each weight to see whether it comes back from disk.
_NOISE = 0.02
#: Where transformers keeps the hooks that let gradients through frozen embeddings.
_HOOKS = "_require_grads_hook"
#: What a part reads; it can only learn from rows that have such a thing.
_READS = {"vision_tower": "images", "projector": "images", "audio_tower": "sound"}


def check_gradients(rows: Rows) -> Check:
    """Run one forward and backward pass over two rows (of different labels, if there are such).

    Raises:
        VerdictError: a loss that is not finite or is 0, or what got no gradient.
    """
    trainer, model = rows.trainer, _model(rows)
    first, *others = rows.first
    label = rows.conversation(first).label
    chosen = [first, *(i for i in others if rows.conversation(i).label != label), *others][:2]
    size = min(trainer.args.per_device_train_batch_size, len(chosen))
    losses, pixels = [], False
    model.train()
    with _checkpointing(trainer):
        for start in range(0, len(chosen), size):
            batch = rows.batch(chosen[start : start + size])
            pixels |= "pixel_values" in batch
            with trainer.accelerator.autocast():
                loss = trainer.compute_loss(model, trainer._prepare_inputs(batch))
            losses.append(loss.item())
            if not math.isfinite(losses[-1]) or losses[-1] <= 0:
                ids = ", ".join(rows.conversation(index).id for index in chosen)
                raise VerdictError(
                    f"the loss on rows {ids} is {losses[-1]} before the first step; look for "
                    "damaged weights in the base model, and for rows without an answer"
                )
            loss.backward()
    failed = _without_gradient(model)
    if failed:
        reads = {
            part: thing
            for part in map(part_of, failed)
            if (thing := _READS.get(part)) and not (thing == "images" and pixels)
        }
        reason = "".join(f"; {p} reads {t}, but the rows have none" for p, t in reads.items())
        raise VerdictError(
            f"no usable gradient (zero, missing or not finite) reaches {some(failed)}{reason}. "
            "They would not learn: leave them out (train.freeze, lora.target_modules), or see what "
            "cuts them off"
        )
    mean = sum(losses) / len(losses)
    counts = {"adapters": len(adapter_modules(model)), "whole modules": len(saved_modules(model))}
    listed = ", ".join(f"{kind} {count}" for kind, count in counts.items() if count)
    return Check(
        "gradient",
        f"reaches all that learns{f' ({listed})' if listed else ''}; loss {mean:.4f}",
        {"loss": mean, "rows": len(chosen)},
    )


def check_reload(rows: Rows) -> Check:
    """Change the adapter a little, save it, load it back: it must bring the change along.

    Raises:
        VerdictError: the adapter has no effect, or does not come back as it was saved.
    """
    model = _model(rows)
    if not isinstance(model, PeftModel):
        return Check("reload", "no adapter: all weights are saved", {"adapter": False})
    model.eval()
    batch = rows.batch([rows.longest])
    trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
    # On the CPU, as a whole module may be large.
    original = {name: p.detach().to("cpu", copy=True) for name, p in trainable.items()}
    before = _logits(rows, batch)
    try:
        changed = {name: value + noise for (name, value), noise in _with_noise(original)}
        _put(changed, trainable)
        expected = _logits(rows, batch)
        if torch.equal(expected, before):
            raise VerdictError(
                "the adapter has no effect: other weights in it give the same logits; see which "
                "modules lora.target_modules reaches, and whether the model uses them"
            )
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            _put(original, trainable)
            if not torch.equal(_logits(rows, batch), before):
                raise VerdictError(
                    "the same weights give other logits the second time, so no comparison means "
                    "anything; look for an operation that is not deterministic"
                )
            _load(model, Path(folder))
        lost = [(n, p) for n, p in trainable.items() if not torch.equal(p.cpu(), changed[n])]
        if lost:
            raise VerdictError(
                f"{some(name for name, _ in named(lost))} did not come back from the saved adapter "
                "as they were; see lora.modules_to_save"
            )
        if not torch.equal(_logits(rows, batch), expected):
            raise VerdictError(
                "the reloaded adapter gives other logits than the one that was saved: something "
                "beside its weights decides the result"
            )
    finally:
        _put(original, trainable)
    difference = float((expected - before).abs().max())
    return Check(
        "reload",
        f"a changed adapter came back to the bit; it moves logits by up to {difference:.2g}",
        {"adapter": True, "largest_change": difference},
    )


def check_batch(rows: Rows, options: ModelOptions) -> Check:
    """Compare each row's mean loss (a token) alone and beside others, padded.

    Raises:
        VerdictError: names the row and both losses.
    """
    tolerance = TOLERANCE[options.dtype]
    _model(rows).eval()
    chosen = _spread(rows)
    together = _row_losses(rows, chosen)
    alone = [_row_losses(rows, [index])[0] for index in chosen]
    differences = [abs(a - b) for a, b in zip(alone, together, strict=True)]
    for index, single, shared, difference in zip(chosen, alone, together, differences, strict=True):
        # A NaN is no agreement either.
        if not difference <= tolerance:
            raise VerdictError(
                f"row {rows.conversation(index).id} has loss {single:.6f} alone, but {shared:.6f} "
                f"in a batch of {len(chosen)} (tolerated: {tolerance:g}); padding or another "
                "row's image leaks into it. Try model.attn_implementation=eager"
            )
    lengths = [rows.length(index) for index in chosen]
    return Check(
        "batch",
        f"1 and {len(chosen)} rows agree to {max(differences):.1g} (tolerated {tolerance:g})",
        {
            "rows": len(chosen),
            "lengths_differ": len(set(lengths)) > 1,
            "largest_difference": max(differences),
            "tolerance": tolerance,
        },
    )


def _spread(rows: Rows) -> list[int]:
    """Return two of the shortest and two of the longest among the sampled rows."""
    sampled = {rows.positions[index]: index for index in [*rows.first, rows.longest]}
    ordered = sorted(sampled.values(), key=lambda index: (rows.length(index), index))
    return list(dict.fromkeys([*ordered[:2], *ordered[-2:]]))


@contextmanager
def _checkpointing(trainer: ExactTrainer) -> Iterator[None]:
    """Recompute activations where training will; the trainer itself begins that in ``train``."""
    model: Any = trainer.model
    base: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    if not trainer.args.activation_checkpointing or base.is_activation_checkpointing:
        yield
        return
    # Enabling hooks the embeddings, and forgets hooks that are there already.
    hooks = {name: value for name, value in vars(base).items() if name.startswith(_HOOKS)}
    base.activation_checkpointing_enable(
        activation_checkpointing_kwargs=trainer.args.activation_checkpointing_kwargs
    )
    try:
        yield
    finally:
        base.activation_checkpointing_disable()
        base.disable_input_require_grads()
        vars(base).update(hooks)


def _without_gradient(model: Any) -> list[str]:
    """Return what does not learn: adapters and whole modules; parts, where there is no adapter."""
    if not isinstance(model, PeftModel):
        learning = {name: p for name, p in model.named_parameters() if p.requires_grad}
        # A single weight may get none: such as one that no row makes use of.
        reached = {part_of(name) for name, parameter in learning.items() if _arrives(parameter)}
        parts = dict.fromkeys(map(part_of, learning))
        broken = [n for n, p in learning.items() if p.grad is not None and not _finite(p)]
        return [*broken, *(part for part in parts if part not in reached)]
    failed = []
    for name, module in adapter_modules(model).items():
        parameters = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
        # One of the two factors starts at zero, and keeps the other's gradient at zero.
        factors = [p for n, p in parameters if "lora_magnitude_vector" not in n]
        magnitudes = [p for n, p in parameters if "lora_magnitude_vector" in n]
        finite = all(map(_finite, factors))
        if not (finite and any(map(_arrives, factors)) and all(map(_arrives, magnitudes))):
            failed.append(name)
    for name, wrapper in saved_modules(model).items():
        failed += [
            f"{name}.{parameter_name.partition('modules_to_save.')[2].partition('.')[2]}"
            for parameter_name, parameter in wrapper.named_parameters()
            if parameter.requires_grad and not _arrives(parameter)
        ]
    return failed


def _finite(parameter: nn.Parameter) -> bool:
    return parameter.grad is not None and bool(parameter.grad.isfinite().all())


def _arrives(parameter: nn.Parameter) -> bool:
    return _finite(parameter) and parameter.grad is not None and bool(parameter.grad.any())


def _with_noise(
    weights: dict[str, torch.Tensor],
) -> Iterator[tuple[tuple[str, torch.Tensor], torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    for name, value in weights.items():
        yield (name, value), torch.randn(value.shape, generator=generator) * _NOISE


def _put(values: dict[str, torch.Tensor], parameters: dict[str, nn.Parameter]) -> None:
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(values[name])


def _load(model: Any, folder: Path) -> None:
    if not list(folder.glob("adapter_model.*")):
        raise VerdictError("saving the adapter wrote no weights: adapter_model is missing")
    try:
        # What PeftModel.from_pretrained does, but into the adapter that is there.
        set_peft_model_state_dict(model, load_peft_weights(str(folder), device=str(model.device)))
    except KeyError as error:
        raise VerdictError(f"the saved adapter lacks {error}; see lora.modules_to_save") from None


@torch.no_grad()
def _logits(rows: Rows, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the logits of the answer's tokens, or of the labels."""
    trainer = rows.trainer
    inputs = _inputs(trainer, batch)
    labels = inputs.pop("labels")
    if not rows.classify:
        first = int(labels.ne(-100).any(0).nonzero()[0])
        inputs["logits_to_keep"] = labels.shape[1] - first + 1
    with trainer.accelerator.autocast():
        return _model(rows)(**inputs, use_cache=False).logits.float()


@torch.no_grad()
def _row_losses(rows: Rows, indices: list[int]) -> list[float]:
    trainer = rows.trainer
    inputs = _inputs(trainer, rows.batch(indices))
    learned = inputs["labels"].ne(-100).view(len(indices), -1).sum(1)
    with trainer.accelerator.autocast():
        _, losses = trainer._losses(_model(rows), inputs)
    return (losses.float().reshape(len(indices), -1).sum(1) / learned).tolist()


def _inputs(trainer: ExactTrainer, batch: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in batch.items() if name not in (POSITIONS, WEIGHTS)}
    return dict(trainer._prepare_inputs(kept))


def _model(rows: Rows) -> Any:
    return rows.trainer.model
