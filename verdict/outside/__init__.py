"""Test sets from elsewhere: their rows under names of their own, and whether training saw them."""
