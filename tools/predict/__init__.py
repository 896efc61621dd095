"""Ask a model about images and texts that are in no data set: the same way as ``evaluate`` asks."""

#: Stands wherever a person reads an answer.
DISCLAIMER = "Not a medical device, not for diagnosis."
