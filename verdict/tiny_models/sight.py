"""The vision side of each family, in the form in which pre-training uses it."""

from itertools import chain
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from transformers import Gemma3ForConditionalGeneration

from verdict.tiny_models import architecture, gemma4


class Sight(Protocol):
    """Vision tower and projection of one model.

    Attributes:
        patch_size: pixels a side of what one of the tower's outputs stands for.
    """

    patch_size: int

    def parameters(self) -> list[nn.Parameter]:
        """Return the weights of the tower and of the projection."""
        ...

    def pixels(self, values: Tensor) -> Tensor:
        """Turn values from 0 to 255 into what the model's processor makes of them."""
        ...

    def inputs(self, pixels: Tensor) -> dict[str, Tensor]:
        """Return what the model is called with for these pixels."""
        ...

    def see(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return patches (pictures, patches, tower's width) and tokens (…, tokens, width).

        Patches run row by row.
        """
        ...


class Gemma3Sight:
    """SigLIP's tower; the projector pools patches into tokens."""

    patch_size = architecture.PATCH_SIZE

    def __init__(self, model: Gemma3ForConditionalGeneration):
        self._tower, self._projector = model.model.vision_tower, model.model.multi_modal_projector

    def parameters(self) -> list[nn.Parameter]:
        return [*self._tower.parameters(), *self._projector.parameters()]

    def pixels(self, values: Tensor) -> Tensor:
        return values.float() / 127.5 - 1

    def inputs(self, pixels: Tensor) -> dict[str, Tensor]:
        return {"pixel_values": pixels}

    def see(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        patches = self._tower(pixel_values=pixels).last_hidden_state
        return patches, self._projector(patches)


class Gemma3nSight:
    """The tower that timm builds; every place of its output becomes one token."""

    def __init__(self, model: Any):
        core = model.model
        self._tower, self._embedder = core.vision_tower, core.embed_vision
        side = architecture.IMAGE_SIZE
        self.patch_size = side // round(model.config.vision_soft_tokens_per_image**0.5)

    def parameters(self) -> list[nn.Parameter]:
        # The hard embeddings and their norm take no part in seeing.
        seeing = (self._embedder.soft_embedding_norm, self._embedder.embedding_projection)
        return list(chain(self._tower.parameters(), *(part.parameters() for part in seeing)))

    def pixels(self, values: Tensor) -> Tensor:
        return values.float() / 255

    def inputs(self, pixels: Tensor) -> dict[str, Tensor]:
        return {"pixel_values": pixels}

    def see(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        features = self._tower(pixel_values=pixels).last_hidden_state
        patches = features.flatten(2).transpose(1, 2)
        # As Gemma3nModel.get_image_features does.
        return patches, self._embedder(inputs_embeds=patches * patches.shape[-1] ** 0.5)


class Gemma4Sight:
    """The tower takes patches, and pools them itself: each of its outputs becomes one token."""

    patch_size = gemma4.PATCH_SIZE * gemma4.POOLING

    def __init__(self, model: Any):
        self._tower, self._embedder = model.model.vision_tower, model.model.embed_vision

    def parameters(self) -> list[nn.Parameter]:
        return [*self._tower.parameters(), *self._embedder.parameters()]

    def pixels(self, values: Tensor) -> Tensor:
        return values.float() / 255

    def inputs(self, pixels: Tensor) -> dict[str, Tensor]:
        size, side = gemma4.PATCH_SIZE, pixels.shape[-1] // gemma4.PATCH_SIZE
        # As Gemma 4's image processor does; nothing is filled up, since all have one shape.
        patches = pixels.unflatten(3, (side, size)).unflatten(2, (side, size))
        patches = patches.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)
        rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
        places = torch.stack([columns, rows], dim=-1).flatten(0, 1)
        return {
            "pixel_values": patches,
            "image_position_ids": places.expand(len(pixels), -1, -1),
        }

    def see(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        patches, places = self.inputs(pixels).values()
        seen = self._tower(pixel_values=patches, pixel_position_ids=places).last_hidden_state
        seen = seen.unflatten(0, (len(pixels), -1))
        # Its outputs are scaled up by the root of its width.
        return self._embedder.embedding_pre_projection_norm(seen), self._embedder(seen)


_SIGHTS: dict[str, Any] = {"gemma3": Gemma3Sight, "gemma3n": Gemma3nSight, "gemma4": Gemma4Sight}


def sight_of(model: Any) -> Sight:
    """Return the vision side of a Gemma 3, 3n or 4."""
    return _SIGHTS[model.config.model_type](model)
