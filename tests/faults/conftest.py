"""What the pipeline's tests have: the small recipe's run."""

from testing.project import small

__all__ = ["small"]
