"""Features of a frozen vision tower, computed once for all training images and kept on disk.

Where the projector is frozen too, its output is kept: what the language model reads. Where it
learns, the tower's output is kept as the projector's fixed pooling leaves it, and the projector is
applied at each step, with gradient.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import DataLoader
from transformers import Gemma3Model, ProcessorMixin
from transformers.modeling_outputs import BaseModelOutputWithPooling

from verdict.conversations import Conversation
from verdict.core.errors import VerdictError
from verdict.core.files import replacing
from verdict.models.chat import count_images, decode
from verdict.records.shards import ImageStore
from verdict.runtime.batch_processes import shield
from verdict.runtime.progress import progress

#: numpy knows no bfloat16; its bits are kept as integers.
_ON_DISK = {torch.bfloat16: "<i2", torch.float32: "<f4"}


class VisionFeatures:
    """What the model is given instead of pixels; made by :meth:`compute`.

    Attributes:
        path: the file; of use until training has ended.
    """

    def __init__(self, path: Path, core: Gemma3Model, rows: dict[int, list[int]]):
        self.path = path
        self._core, self._rows = core, rows
        self._stored = np.load(path, mmap_mode="r")

    @classmethod
    def compute(
        cls,
        model: Any,
        processor: ProcessorMixin,
        conversations: Sequence[Conversation],
        positions: Sequence[int],
        images: ImageStore,
        folder: Path,
        *,
        batch_size: int,
        device: str,
        workers: int = 0,
    ) -> "VisionFeatures":
        """Return the features of the conversations at ``positions``.

        A complete file in ``folder`` is used again, so the folder must belong to this model and
        this data. Random generators are left as they are.

        Args:
            model: a Gemma 3 that writes or classifies, adapters included, its vision tower frozen.
            batch_size: images a pass through the tower.
            workers: processes that decode images beside this one.

        Raises:
            VerdictError: a conversation without an image, a model of another family, or too little
                space on the disk.
        """
        _require_images(conversations)
        core = _core(model)
        chosen = sorted(set(positions))
        asked = {conversations[position].id: conversations[position] for position in chosen}
        places = [(id_, n) for id_, row in asked.items() for n in range(count_images(row.prompt))]
        rows_of: dict[str, list[int]] = {id_: [] for id_ in asked}
        for row, (id_, _) in enumerate(places):
            rows_of[id_].append(row)
        path = folder / f"vision-{'pooled' if _projector_learns(core) else 'projected'}.npy"
        shape, dtype = (len(places), *_shape(core)), _dtype(core)
        if not _complete(path, shape, dtype):
            _check_space(folder, shape, dtype)
            loader: DataLoader[Any] = shield(
                DataLoader(
                    _Images(places, images),  # type: ignore[arg-type]
                    batch_size=batch_size,
                    num_workers=workers,
                    collate_fn=_Pixels(processor),
                    # Its own, since a loader draws from torch's.
                    generator=torch.Generator(),
                )
            )
            _write(path, shape, dtype, _features(core, loader, device))
        return cls(
            path, core, {position: rows_of[conversations[position].id] for position in chosen}
        )

    def inputs_for(self, positions: torch.Tensor) -> dict[str, Any]:
        """Return what replaces ``pixel_values`` in the model's call, on the positions' device.

        Args:
            positions: shape (rows,), among those that the features were computed for.
        """
        rows = [row for position in positions.tolist() for row in self._rows[position]]
        features = torch.from_numpy(self._stored[rows]).view(_dtype(self._core))
        features = features.to(positions.device)
        if _projector_learns(self._core):
            with _autocast(self._core):
                features = self._core.multi_modal_projector(_unpool(self._core, features))
        outputs = BaseModelOutputWithPooling(pooler_output=features)
        return {"mm_encoder_outputs": {"image": outputs}}


class _Images:
    """Encoded images by row, for torch's data loader.

    Args:
        places: of each row the record's id, and which of its images, from 0.
    """

    def __init__(self, places: list[tuple[str, int]], images: ImageStore):
        self._places, self._images = places, images

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, row: int) -> bytes:
        id_, number = self._places[row]
        return self._images.all(id_)[number]


class _Pixels:
    """Turns encoded images into the processor's pixels, of shape (images, 3, height, width)."""

    def __init__(self, processor: ProcessorMixin):
        self._processor = processor

    def __call__(self, encoded: list[bytes]) -> torch.Tensor:
        batch: Any = self._processor(images=[[decode(data)] for data in encoded])
        pixels = batch["pixel_values"]
        if len(pixels) != len(encoded):
            raise VerdictError(
                "this model's processor cuts images into crops (do_pan_and_scan), for which vision "
                "features cannot be cached; set model.cache_vision_features=false"
            )
        return torch.from_numpy(np.stack(pixels))


def _require_images(conversations: Sequence[Conversation]) -> None:
    for conversation in conversations:
        if not count_images(conversation.prompt):
            raise VerdictError(
                f"row {conversation.id} has no image, and so no vision features to be cached; set "
                "model.cache_vision_features=false"
            )


def _core(model: Any) -> Gemma3Model:
    for module in model.modules():
        if isinstance(module, Gemma3Model):
            return module
    family = model.config.model_type
    raise VerdictError(
        f"the vision features of this model ({family}) cannot be cached, only those of Gemma 3 and "
        "MedGemma; set model.cache_vision_features=false"
    )


def _projector_learns(core: Gemma3Model) -> bool:
    return any(parameter.requires_grad for parameter in core.multi_modal_projector.parameters())


def _shape(core: Gemma3Model) -> tuple[int, int]:
    config: Any = core.config
    part = config.vision_config if _projector_learns(core) else config.text_config
    return config.mm_tokens_per_image, part.hidden_size


def _dtype(core: Gemma3Model) -> torch.dtype:
    # Autocast leaves the tower's last normalisation in float32; the projection is as the weights.
    return torch.float32 if _projector_learns(core) else core.vision_tower.dtype


def _autocast(core: Gemma3Model) -> AbstractContextManager[None]:
    """Compute as training does: it casts exactly where the weights are bfloat16."""
    tower = core.vision_tower
    return torch.autocast(tower.device.type, torch.bfloat16, enabled=tower.dtype == torch.bfloat16)


def _features(core: Gemma3Model, batches: Any, device: str) -> Iterator[torch.Tensor]:
    """Yield the features of each batch of pixels, of shape (images, tokens, width), on the CPU."""
    learns, dtype = _projector_learns(core), _dtype(core)
    parts = (core.vision_tower, core.multi_modal_projector)
    training = [part.training for part in parts]
    for part in parts:
        part.eval()
    try:
        for pixels in batches:
            with torch.no_grad(), _autocast(core):
                outputs = core.vision_tower(pixels.to(device)).last_hidden_state
                kept = _pool(core, outputs) if learns else core.multi_modal_projector(outputs)
            yield kept.to("cpu", dtype)
    finally:
        for part, before in zip(parts, training, strict=True):
            part.train(before)


def _pool(core: Gemma3Model, outputs: torch.Tensor) -> torch.Tensor:
    """Average patches into tokens as the projector does first: 16 times fewer numbers to keep.

    From shape (images, patches, width) to (images, tokens, width).
    """
    projector = core.multi_modal_projector
    side = projector.patches_per_image
    grid = outputs.transpose(1, 2).unflatten(2, (side, side))
    return projector.avg_pool(grid).flatten(2).transpose(1, 2)


def _unpool(core: Gemma3Model, pooled: torch.Tensor) -> torch.Tensor:
    """Return an output of the tower that the projector pools to ``pooled``: each token repeated."""
    projector = core.multi_modal_projector
    side, size = projector.tokens_per_side, projector.kernel_size
    grid = pooled.transpose(1, 2).unflatten(2, (side, side))
    patches = grid.repeat_interleave(size, 2).repeat_interleave(size, 3)
    # Patches that do not fill a token are not read, but counted.
    rest = projector.patches_per_image - side * size
    return functional.pad(patches, (0, rest, 0, rest)).flatten(2).transpose(1, 2)


def _complete(path: Path, shape: tuple[int, ...], dtype: torch.dtype) -> bool:
    try:
        stored = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        # Not there, or shorter than its header says.
        return False
    return stored.shape == shape and stored.dtype.str == _ON_DISK[dtype]


def _check_space(folder: Path, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    needed = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise VerdictError(
            f"the vision features of {shape[0]:,} images need {needed / 1e9:,.1f} GB in {folder}, "
            f"where {free / 1e9:,.1f} GB are free; free space there, or set "
            "model.cache_vision_features=false"
        )


def _write(
    path: Path, shape: tuple[int, ...], dtype: torch.dtype, batches: Iterator[torch.Tensor]
) -> None:
    """Write one array in numpy's format, batch by batch."""
    header = {"descr": _ON_DISK[dtype], "fortran_order": False, "shape": shape}
    with (
        progress("vision features", total=shape[0], unit="images") as bar,
        replacing(path) as partial,
        partial.open("wb") as file,
    ):
        np.lib.format.write_array_header_1_0(file, header)
        for batch in batches:
            as_stored = batch.contiguous().view(torch.int16) if dtype.itemsize == 2 else batch
            file.write(as_stored.numpy().tobytes())
            bar.advance(len(batch))
        # Renamed only once its bytes are on the disk, power cuts included.
        file.flush()
        os.fsync(file.fileno())
