"""What several benchmarks, or the large ones, are put together from; none runs by itself."""
