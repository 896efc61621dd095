"""The vision side of each family, in the form in which pre-training uses it."""

from itertools import chain
from typing import Any, Protocol

from torch import Tensor, nn
from transformers import Gemma3ForConditionalGeneration

from verdict.tiny_models import architecture


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

    def see(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        features = self._tower(pixel_values=pixels).last_hidden_state
        patches = features.flatten(2).transpose(1, 2)
        # As Gemma3nModel.get_image_features does.
        return patches, self._embedder(inputs_embeds=patches * patches.shape[-1] ** 0.5)


def sight_of(model: Any) -> Sight:
    """Return the vision side of a Gemma 3 or a Gemma 3n."""
    return Gemma3nSight(model) if model.config.model_type == "gemma3n" else Gemma3Sight(model)
