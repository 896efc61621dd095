"""Ask a model: score candidate answers, generate, parse."""

from verdict.models.torchvision_operators import declare_missing_operators

# Before anything of transformers that reads images is imported.
declare_missing_operators()
