"""One script a claim: prints a table, the target beside the figure, and fails when one fails."""
