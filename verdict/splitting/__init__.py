"""Which record is in which split, and that nothing leaks between them."""
