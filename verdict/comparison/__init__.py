"""Compare models on the same records: resamples, intervals, paired differences, the verdict."""
