"""Models published as GGUF, llama.cpp's format: read once, and kept as transformers has them."""

from verdict.reproducibility.torchvision_operators import declare_missing_operators

declare_missing_operators()
