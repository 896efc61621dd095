"""Merge an adapter into its base: one model that needs neither peft nor this project."""

#: What merged weights are stored in.
DTYPE = "bfloat16"
