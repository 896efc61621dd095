"""From the raw archive to shards of canonical records."""
