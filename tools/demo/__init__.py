"""A small web page for trying a model on images or texts."""
