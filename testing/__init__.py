"""Stand-ins, small projects and planted faults that tests and benchmarks share."""
