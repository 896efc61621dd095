"""DICOM files: the picture, and the little of the header that may be known."""
