"""What a DICOM header may tell: sex, ten years of age, site and modality, and nothing else.

Only terms that stand here are told: people write names into any field.
"""

import re

import pydicom

#: A patient's sex, by PS3.3, C.7.1.1.
_SEXES = {"F": "female", "M": "male", "O": "other"}
#: What makes pictures, by PS3.3, C.7.3.1.1.1.
_MODALITIES = """
    BI BMD CR CT DG DX ES GM IO IVOCT IVUS LS MG MR NM OAM OCT OP OPM OPT OPTENF OPV OSS OT PA PT PX
    RF RG RTDOSE RTIMAGE SC SEG SM TG US VF XA XC
"""
#: Parts of the body, as PS3.16, annex L, and scanners write them.
_SITES = """
    ABDOMEN ABDOMENPELVIS ADRENAL ANKLE ANUS AORTA ARM ARTERY AXILLA BACK BILEDUCT BLADDER BONE
    BRAIN BREAST BRONCHUS BUTTOCK CALCANEUS CALF CAROTID CEREBELLUM CERVIX CHEEK CHEST
    CHESTABDOMEN CHESTABDPELVIS CIRCLEOFWILLIS CLAVICLE COCCYX COLON CORNEA CORONARYARTERY CSPINE
    CTSPINE DUODENUM EAR ELBOW ESOPHAGUS EXTREMITY EYE EYELID FACE FEMUR FINGER FLANK FOOT FOREARM
    FOREHEAD GALLBLADDER GLUTEUS GROIN HAND HEAD HEADNECK HEART HIP HUMERUS IAC ILEUM ILIUM JAW
    JEJUNUM JOINT KIDNEY KNEE LARYNX LEG LIP LIVER LSPINE LSSPINE LUNG MANDIBLE MAXILLA MEDIASTINUM
    MOUTH NECK NECKCHEST NECKCHESTABDOMEN NECKCHESTABDPELV NOSE ORBIT OVARY PANCREAS PARATHYROID
    PAROTID PATELLA PELVIS PENIS PHARYNX PROSTATE RADIUS RECTUM RIB SACRUM SCALP SCAPULA SCROTUM
    SELLA SHOULDER SINUS SKIN SKULL SPINALCORD SPINE SPLEEN SSPINE STERNUM STOMACH TESTIS THIGH
    THORAX THUMB THYMUS THYROID TIBIA TLSPINE TMJ TOE TONGUE TRACHEA TSPINE ULNA URETER URETHRA
    UTERUS VAGINA VULVA WHOLEBODY WRIST ZYGOMA
"""

#: Ages in tens of years, each with the first as a header writes it; none above 89 is told, as
#: 45 CFR 164.514(b)(2) has it.
AGE_BANDS = {f"{tens}-{tens + 9}": f"{tens:03d}Y" for tens in range(0, 90, 10)} | {"90+": "090Y"}


def attributes_of(header: pydicom.Dataset) -> dict[str, str]:
    """Return what is known of ``sex``, ``age_band``, ``site`` and ``modality``."""
    modality, site = term(header, "Modality"), term(header, "BodyPartExamined")
    found = {
        "sex": _SEXES.get(term(header, "PatientSex")),
        "age_band": _age_band(term(header, "PatientAge")),
        "site": site.lower() if site in _SITES.split() else None,
        "modality": modality if modality in _MODALITIES.split() else None,
    }
    return {name: value for name, value in found.items() if value}


def term(header: pydicom.Dataset, keyword: str) -> str:
    """Return what a field says, in upper case, or nothing where it is empty or absent."""
    return str(header.get(keyword) or "").strip().upper()


def _age_band(age: str) -> str | None:
    found = re.fullmatch(r"([0-9]{3})([DWMY])", age)
    if found is None:
        return None
    number, unit = int(found[1]), found[2]
    years = number if unit == "Y" else number * {"D": 1, "W": 7, "M": 30}[unit] // 365
    return list(AGE_BANDS)[min(years, 90) // 10]
