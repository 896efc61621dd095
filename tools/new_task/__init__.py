"""Make a task of one's own: see ``python -m tools.new_task --help``."""
