"""What the full-size recipes need: GPU memory and time, computed where no GPU is at hand.

``make bench name=costs`` builds each recipe's model from its published configuration, without its
weights, adapts it as training does, and takes one training step on tensors that have shapes but no
values. Operations and memory follow from that step; hours follow from the operations by an assumed
utilisation. Nothing here is measured on a GPU. It exits with 1 when a model has another size than
the published one, so that its figures would be another model's.
"""

from collections.abc import Iterator
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.parts.costs_recipe import UTILISATION, Cost, Gpu, cost_of
from benchmarks.parts.costs_rows import ANSWER, PAIR, QUESTION
from benchmarks.parts.table import Figure, conclude
from tools.rendering import recipes

RECIPES = Path(__file__).resolve().parent.parent / "recipes"
GPUS = (
    Gpu("L4", 121e12, 0.300e12),
    Gpu("A100 80 GB", 312e12, 2.039e12),
    Gpu("H100", 989e12, 3.35e12),
)
#: GB of the GPU that each recipe asks for. melanoma-gemma4 is left out: the shapes in Gemma 4's
#: tower depend on values, which a step without numbers has not.
TARGETS = {
    "melanoma": 24,
    "breakhis": 24,
    "breakhis-binary": 24,
    "medpix-vqa": 24,
    "medpix-vqa-full": 80,
    "medpix-vqa-gemma3n": 24,
    "entity-resolution-generative": 16,
    "entity-resolution-classifier": 16,
}
#: Parameters of the models as the hub counts them.
PUBLISHED = {
    "google/gemma-3-4b-it": 4_300_079_472,
    "google/medgemma-4b-it": 4_300_079_472,
    "google/gemma-3-1b-it": 999_885_952,
    "google/gemma-3n-E4B-it": 7_849_978_192,
}


def main() -> None:
    costs = [cost_of(path) for name, path in recipes(RECIPES).items() if name in TARGETS]
    console = Console(width=180)
    console.print(memory_table(costs))
    console.print(time_table(costs))
    console.print(NOTES, highlight=False, markup=False)
    conclude("the architectures are the published ones", list(size_checks(costs)))


def memory_table(costs: list[Cost]) -> Table:
    """Return the table of memory, in GB (10⁹ bytes)."""
    table = _table(
        "GPU memory in GB, computed, not measured",
        "million weights", "that learn", "weights", "gradients", "optimizer", "activations",
        "of them saved", "of them logits", "training in all", "evaluation", "asked for",
    )  # fmt: skip
    for cost in costs:
        memory, target = cost.memory, TARGETS[cost.recipe]
        fits = "fits" if max(memory.training, memory.evaluation) < target * 1e9 else "too little"
        values = (
            memory.weights, memory.gradients, memory.optimizer, memory.activations, memory.saved,
            memory.logits, memory.training, memory.evaluation,
        )  # fmt: skip
        table.add_row(
            cost.recipe,
            f"{cost.parameters / 1e6:,.0f}",
            f"{cost.trainable / 1e6:,.1f}",
            *(f"{value / 1e9:.2f}" for value in values),
            f"{target}: {fits}",
        )
    return table


def time_table(costs: list[Cost]) -> Table:
    """Return the table of operations and hours."""
    table = _table(
        "Time, computed, not measured: hours of training + evaluation at an assumed "
        f"{UTILISATION:.0%} of each GPU's peak",
        "tokens a row", "rows a step", "steps", "TFLOP a row, forward", "both ways",
        "PFLOP, training", "evaluation", *(gpu.name for gpu in GPUS),
    )  # fmt: skip
    for cost in costs:
        size = cost.params.train.per_device_train_batch_size
        hours = [cost.work.hours(gpu) for gpu in GPUS]
        table.add_row(
            cost.recipe,
            f"{cost.row.tokens:,}",
            str(size * cost.params.train.gradient_accumulation_steps),
            f"{cost.steps:,}",
            f"{cost.step.forward / size / 1e12:.1f}",
            f"{cost.step.total / size / 1e12:.1f}",
            f"{(cost.work.training + cost.work.validation) / 1e15:,.0f}",
            f"{cost.work.evaluation / 1e15:,.0f}",
            *(f"{training:.2f}+{evaluation:.2f}" for training, evaluation in hours),
        )
    return table


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("recipe", no_wrap=True)
    for heading in headings:
        # No word of a heading is cut.
        table.add_column(heading, justify="right", min_width=max(map(len, heading.split())))
    return table


def size_checks(costs: list[Cost]) -> Iterator[Figure]:
    """Yield for each model its parameters, in millions, beside those that the hub counts."""
    seen = {cost.params.models["base"].name: cost.published for cost in costs}
    for name, parameters in sorted(seen.items()):
        yield Figure(name, parameters / 1e6, "million", "=", PUBLISHED[name] / 1e6)


NOTES = f"""\
Memory leaves out CUDA's own context (0.5 to 1 GB), the allocator's fragmentation, and what a kernel
needs while it runs. Activations are the most that a forward and backward pass holds at once beside
weights and gradients, one 4-bit matrix unpacked included; saved is what the forward pass leaves for
the backward one, logits those of the answer's tokens. Evaluation is in bfloat16: weights, and
keys and values of a batch; activations are left out.
Tokens: words, digits and marks of the recipe's own prompt count one each, an image 256. Assumed:
{QUESTION} for a question of MedPix-VQA and {ANSWER} for its answer; {PAIR:,} for a row of entity
resolution, where the published run cuts. Rows are the published ones by the recipe's split, before
it leaves out any that cross.
Time leaves out reading and decoding images, loading, and checkpoints. Training includes its
validation. Evaluation is at most that: it assumes that every batch writes evaluate.max_new_tokens,
each token reading the language model's weights once.
Peaks by NVIDIA's data sheets (dense bfloat16 TFLOP/s, GB/s): {
    "; ".join(f"{gpu.name} {gpu.flops / 1e12:.0f}, {gpu.bandwidth / 1e9:,.0f}" for gpu in GPUS)
}.
"""

if __name__ == "__main__":
    main()
