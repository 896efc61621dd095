"""One script a claim: prints a table, the target beside the figure, and fails when one fails."""

# transformers imports torchvision; beside a torch for CPUs that fails unless this came first.
import verdict.models  # noqa: F401
