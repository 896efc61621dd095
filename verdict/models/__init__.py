"""Load a model and say what it is: its weights, its processor, how it reads, where it came from."""

from verdict.reproducibility.torchvision_operators import declare_missing_operators

declare_missing_operators()
