"""Metrics, intervals and paired comparisons, from predictions alone."""
