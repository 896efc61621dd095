"""Pre-train the tiny model: first to see shapes, then to answer questions about them.

Seeing is learned from what each patch shows and what the whole shape is, by heads that are thrown
away afterwards; answering, from conversations. The recipes' questions are among these, with every
possible answer equally often: the model learns their words, and nothing about the task.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel, ProcessorMixin

from verdict.runtime.progress import Bar, progress
from verdict.tiny_models import shapes
from verdict.tiny_models.architecture import IMAGE_SIZE
from verdict.tiny_models.conversations import Conversations
from verdict.tiny_models.halves import Halves, in_halves
from verdict.tiny_models.questions import SHAPE_QUESTIONS
from verdict.tiny_models.sight import Sight, sight_of

#: How many different shapes are drawn at most; more steps see them again, turned and mirrored.
PICTURES = 4096
#: Share of the steps that teach seeing; the others teach answering.
SEEING_SHARE = 0.7
SEEING_BATCH, SEEING_RATE = 48, 2e-3
ANSWERING_BATCH, ANSWERING_RATE = 24, 3e-3
#: Kinds of ground and paint that a pixel can show (see ``shapes.Shape.parts``).
PARTS = 7


def pretrain(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    *,
    seed: int,
    steps: int,
) -> None:
    """Train all weights of a Gemma 3, 3n or 4 in place; at least one step of each kind."""
    generator = torch.Generator().manual_seed(seed)
    sight = sight_of(model)
    seeing = max(1, round(SEEING_SHARE * steps))
    answering = max(1, steps - seeing)
    shown = seeing * SEEING_BATCH + answering * ANSWERING_BATCH
    pictures = _Pictures(seed, sight, min(PICTURES, shown))
    heads = _Heads(model, sight)
    conversations = Conversations(processor, pictures.attributes, generator)

    def learn(halves: Halves) -> None:
        with progress("pre-train", seeing + answering, "steps") as bar:
            eyes = [*sight.parameters(), *heads.parameters()]
            for step in optimise(eyes, SEEING_RATE, seeing, bar, halves):
                step(heads.loss, pictures.draw(SEEING_BATCH, generator))
            everything = [*model.parameters(), *heads.parameters()]
            for step in optimise(everything, ANSWERING_RATE, answering, bar, halves):
                chosen = pictures.choose(ANSWERING_BATCH, generator)
                pixels, _, attributes = pictures.draw(ANSWERING_BATCH, generator, chosen)
                inputs, labels = conversations.batch(chosen)
                names = list(inputs)
                step(
                    lambda *rows: _answering_loss(model, heads, names, *rows),  # noqa: B023
                    (pixels, attributes, labels, *inputs.values()),
                )

    model.train()
    in_halves(learn, model, heads)
    model.eval()


def optimise(
    parameters: list[nn.Parameter], rate: float, steps: int, bar: Bar, halves: Halves
) -> Iterator[Any]:
    """Yield, once a step, a function that takes a loss function and its batch, and steps."""
    # Fused, as in all training on a CPU: see verdict.reproducibility.
    optimizer = torch.optim.AdamW(
        parameters, lr=rate, weight_decay=0.02, betas=(0.9, 0.98), fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rate, total_steps=max(2, steps), pct_start=0.15
    )

    def step(loss_of: Callable[..., Tensor], batch: Sequence[Tensor]) -> None:
        loss = halves.add_up(parameters, loss_of, batch)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        bar.advance(1, f"loss {loss:.3f}")

    for _ in range(steps):
        yield step


class _Pictures:
    """Shapes drawn once; each draw turns and mirrors them."""

    def __init__(self, seed: int, sight: Sight, count: int):
        self._sight, self._count = sight, count
        drawn = [
            shapes.draw(np.random.default_rng([seed, number]), IMAGE_SIZE)
            for number in range(count)
        ]
        pixels = np.stack([np.asarray(shape.image) for shape in drawn])
        self._pixels = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()
        parts = torch.from_numpy(np.stack([shape.parts for shape in drawn]))
        #: What share of each patch shows which part: (pictures, parts, rows, columns).
        self._cover = torch.stack(
            [F.avg_pool2d((parts == part).float(), sight.patch_size) for part in range(PARTS)],
            dim=1,
        )
        #: Answer's index by question, -100 where there is none: (pictures, questions).
        self.attributes = torch.tensor(
            [
                [shape.attributes.get(question, -100) for question in SHAPE_QUESTIONS]
                for shape in drawn
            ]
        )

    def choose(self, count: int, generator: torch.Generator) -> Tensor:
        """Return the numbers of ``count`` pictures, some perhaps more than once."""
        return torch.randint(self._count, (count,), generator=generator)

    def draw(
        self, count: int, generator: torch.Generator, chosen: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the model's pixels, patch covers and attributes of ``count`` pictures."""
        if chosen is None:
            chosen = self.choose(count, generator)
        turns = int(torch.randint(4, (1,), generator=generator))
        mirror = bool(torch.randint(2, (1,), generator=generator))

        def turned(values: Tensor) -> Tensor:
            values = torch.rot90(values, turns, (2, 3))
            return values.flip(3) if mirror else values

        pixels = self._sight.pixels(turned(self._pixels[chosen]))
        return pixels, turned(self._cover[chosen]), self.attributes[chosen]


class _Heads(nn.Module):
    """What reads patches and whole pictures off the vision side, during pre-training only."""

    def __init__(self, model: PreTrainedModel, sight: Sight):
        super().__init__()
        self.sight = sight
        config: Any = model.config
        self.patch = nn.Linear(config.vision_config.hidden_size, PARTS)
        self.sizes = [len(question.answers) for question in SHAPE_QUESTIONS.values()]
        self.whole = nn.Linear(2 * config.text_config.hidden_size, sum(self.sizes))

    def loss(self, pixels: Tensor, cover: Tensor, attributes: Tensor) -> Tensor:
        patches, tokens = self.sight.see(pixels)
        seen = self.patch(patches).flatten(0, 1)
        wanted = cover.permute(0, 2, 3, 1).reshape(-1, PARTS)
        return F.cross_entropy(seen, wanted) + self.attribute_loss(tokens, attributes)

    def attribute_loss(self, tokens: Tensor, attributes: Tensor) -> Tensor:
        """Return the mean loss over questions; ``tokens`` are (pictures, tokens, width)."""
        pooled = torch.cat([tokens.mean(1), tokens.amax(1)], dim=1)
        answers = self.whole(pooled).split(self.sizes, dim=1)
        losses = [F.cross_entropy(answer, attributes[:, i]) for i, answer in enumerate(answers)]
        return torch.stack(losses).mean()


def _answering_loss(
    model: Any,
    heads: _Heads,
    names: list[str],
    pixels: Tensor,
    attributes: Tensor,
    labels: Tensor,
    *inputs: Tensor,
) -> Tensor:
    output = model.model(**dict(zip(names, inputs, strict=True)), **heads.sight.inputs(pixels))
    learned = labels[:, 1:] >= 0
    logits = model.lm_head(output.last_hidden_state[:, :-1][learned])
    limit = model.config.get_text_config().final_logit_softcapping
    if limit is not None:
        logits = torch.tanh(logits / limit) * limit
    said = F.cross_entropy(logits, labels[:, 1:][learned])
    # Gemma 4 has those of all pictures in one row.
    tokens = output.image_hidden_states.view(len(pixels), -1, output.last_hidden_state.shape[-1])
    return 2 * said + heads.attribute_loss(tokens, attributes)
