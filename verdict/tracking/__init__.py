"""Experiment tracking with MLflow, TensorBoard and Weights & Biases, beside the work.

The work appends events to a local file (``spool``); a process of its own (``sender``) reads them
and sends them on, so that a tracker that is slow, down or broken cannot touch the work: neither
its speed, nor its random numbers, nor its standard output. What could not be sent stays in the
file: ``python -m verdict.tracking upload FILE`` sends it later.
"""
