"""The parts of a model, told from the names of its parameters and modules.

transformers names them alike in the families that recipes use: Gemma 3 and MedGemma
(``vision_tower``, ``multi_modal_projector``, ``language_model``), Gemma 3n (also ``audio_tower``,
``embed_vision``, ``embed_audio``), Qwen2.5-VL (``visual``, whose ``merger`` projects), and
text-only Gemma (no prefix at all).
"""

import re

#: For each part a pattern for the dotted name; the first that is found decides.
_PATTERNS = {
    "head": r"(^|\.)(lm_head|score)(\.|$)",
    "projector": (
        r"(^|\.)(multi_modal_projector|embed_vision|embed_audio|visual\.\w*merger\w*)(\.|$)"
    ),
    "vision_tower": r"(^|\.)(vision_tower|visual)(\.|$)",
    "audio_tower": r"(^|\.)audio_tower(\.|$)",
    "embeddings": r"(^|\.)embed_tokens(_per_layer)?(\.|$)",
}

#: Everything else belongs to the language model.
PARTS = (*_PATTERNS, "language_model")


def part_of(name: str) -> str:
    """Return the part of the model (one of ``PARTS``) that a module or parameter belongs to."""
    for part, pattern in _PATTERNS.items():
        if re.search(pattern, name):
            return part
    return "language_model"
