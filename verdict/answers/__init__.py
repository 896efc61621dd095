"""Ask a model: score candidate answers, generate, parse."""
