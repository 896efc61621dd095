"""What synthetic archives and tiny models are drawn with."""
