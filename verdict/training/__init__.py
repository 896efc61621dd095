"""Train a model: what learns, from which rows, watched and checked before the first step."""

from verdict.reproducibility.torchvision_operators import declare_missing_operators

declare_missing_operators()
