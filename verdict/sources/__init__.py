"""Where raw data and base models come from."""
