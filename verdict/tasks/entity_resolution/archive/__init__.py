"""The published archive's layout, and a synthetic archive in it."""
