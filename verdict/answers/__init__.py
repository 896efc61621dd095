"""Ask a model: load it as it was saved, score candidate answers, generate, parse."""

from verdict.reproducibility.torchvision_operators import declare_missing_operators

# Before anything of transformers that reads images is imported.
declare_missing_operators()
