"""Load, adapt and train models."""
