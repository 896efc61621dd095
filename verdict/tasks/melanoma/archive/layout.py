"""The published files of SIIM-ISIC 2020 and their columns."""

#: The published name of each file, by its key in ``fetch.files``.
FILES = {
    "images": "ISIC_2020_Training_JPEG.zip",
    "ground_truth": "ISIC_2020_Training_GroundTruth.csv",
    "ground_truth_v2": "ISIC_2020_Training_GroundTruth_v2.csv",
    "duplicates": "ISIC_2020_Training_Duplicates.csv",
}

#: The files that may be absent: Kaggle's copy has neither.
OPTIONAL = frozenset({"ground_truth_v2", "duplicates"})

#: What tools.pack_isic writes for 0 in ``benign_malignant`` where nobody calls it benign.
NOT_MELANOMA = "not melanoma"

#: Columns of the ground truth; version 2 has ``lesion_id`` besides.
COLUMNS = (
    "image_name",
    "patient_id",
    "sex",
    "age_approx",
    "anatom_site_general_challenge",
    "diagnosis",
    "benign_malignant",
    "target",
)
