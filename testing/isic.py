"""A small raw archive in the layout of SIIM-ISIC 2020, easy to damage."""

import io
import zipfile
from pathlib import Path

from PIL import Image

ISIC_HEADER = (
    "image_name,patient_id,{lesion}sex,age_approx,anatom_site_general_challenge,diagnosis,"
    "benign_malignant,target"
)


def jpeg(colour: tuple[int, int, int] = (120, 80, 60), size: tuple[int, int] = (80, 60)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


class IsicArchive:
    """A small raw folder in the SIIM-ISIC layout, easy to damage."""

    def __init__(self, folder: Path, images: int = 12, per_patient: int = 2):
        self.folder = folder
        self.rows = [
            {
                "image_name": f"ISIC_{i:07d}",
                "patient_id": f"IP_{i // per_patient:07d}",
                "lesion_id": f"IL_{i:07d}",
                "sex": "female" if i % 3 else "",
                "age_approx": "45",
                "anatom_site_general_challenge": "torso",
                "diagnosis": "melanoma" if i % 4 == 0 else "nevus",
                "benign_malignant": "malignant" if i % 4 == 0 else "benign",
                "target": "1" if i % 4 == 0 else "0",
            }
            for i in range(images)
        ]
        self.images = {
            row["image_name"]: jpeg((20 * i % 255, 90, 60)) for i, row in enumerate(self.rows)
        }
        self.duplicates: list[tuple[str, str]] = [("ISIC_0000000", "ISIC_0000001")]

    def write(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        for suffix, lesion in (("", ""), ("_v2", "lesion_id,")):
            header = ISIC_HEADER.format(lesion=lesion)
            lines = [header] + [
                ",".join(row[column] for column in header.split(",")) for row in self.rows
            ]
            path = self.folder / f"ISIC_2020_Training_GroundTruth{suffix}.csv"
            path.write_text("\r\n".join(lines) + "\r\n", newline="")
        pairs = ["image_name_1,image_name_2", *(",".join(pair) for pair in self.duplicates)]
        (self.folder / "ISIC_2020_Training_Duplicates.csv").write_text("\n".join(pairs) + "\n")
        with zipfile.ZipFile(self.folder / "ISIC_2020_Training_JPEG.zip", "w") as archive:
            for name, data in self.images.items():
                archive.writestr(f"train/{name}.jpg", data)
        return self.folder
