"""A comparison beside its numbers: Markdown and figures, and the words that all reports share."""
