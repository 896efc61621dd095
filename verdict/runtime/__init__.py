"""What keeps long work alive and tells a person why it ended: no result depends on it."""
