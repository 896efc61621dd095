"""Stand-ins, small projects and planted faults that tests and benchmarks share."""

import os

# Read by torch and its libraries when they load, whichever module here loads them first.
os.environ.update(OMP_NUM_THREADS="1", OMP_WAIT_POLICY="PASSIVE", TOKENIZERS_PARALLELISM="false")
