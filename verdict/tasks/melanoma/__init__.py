"""SIIM-ISIC 2020: is this lesion a melanoma? (doi:10.1038/s41597-021-00815-z)"""
