"""Publish the fine-tuned model to the Hugging Face hub, with its numbers and without the data."""
