"""Tiny models that this project builds itself: from a seed, pre-trained on generic lessons.

They stand in for the Gemma family where there is neither network nor GPU: the same classes of
transformers, loaded by the same code. They have seen shapes, or texts that do or do not agree, and
the recipes' words; never a lesion, and never two records of one person.
"""

from verdict.reproducibility.torchvision_operators import declare_missing_operators

declare_missing_operators()
