"""The reports for people: the page, the model card, and the verdict in the terminal."""
