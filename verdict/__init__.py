"""From a raw medical archive to a verdict: is the fine-tuned model better, and by how much?"""
