"""Load, adapt and train models."""

from verdict.models.torchvision_operators import declare_missing_operators

declare_missing_operators()
