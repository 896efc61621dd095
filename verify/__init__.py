"""The judge's command: what of this project's results holds, found out without touching them."""
