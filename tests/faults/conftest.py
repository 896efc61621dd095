"""What the pipeline's tests have: the small recipe's run."""

from tests.pipeline.conftest import small

__all__ = ["small"]
