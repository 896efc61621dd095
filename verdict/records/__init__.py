"""Canonical records: images, shards, splits, conversations."""
