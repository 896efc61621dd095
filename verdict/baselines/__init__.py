"""What can be had without fine-tuning: methods of the field, trained on the same records."""
