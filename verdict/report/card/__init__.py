"""The model card that goes with the fine-tuned weights."""

from verdict.report.card.write import write_card

__all__ = ["write_card"]
