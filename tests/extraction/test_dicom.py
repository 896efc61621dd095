import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut, pixel_array

from testing.dicom import ct, encoded
from tests.extraction.test_extract import OPTIONS
from verdict.extraction.dicom.file import DicomFile
from verdict.extraction.images import convert
from verdict.params.data import Dicom, Window

#: Hounsfield units of ``ct()``, by which its windows are written: −1024 to 2047.
VALUES = np.arange(48 * 64).reshape(48, 64) - 1024.0


def shown(data: bytes | pydicom.FileDataset, **options: Any) -> np.ndarray:
    data = data if isinstance(data, bytes) else encoded(data)
    chosen = Dicom(**{"window": "file", "frame": "only", **options})
    return np.asarray(DicomFile(data).picture(chosen))


def shipped(name: str) -> bytes:
    """Return a file that pydicom has in its wheel."""
    path = get_testdata_file(name, download=False)
    assert path is not None
    return Path(path).read_bytes()


@pytest.mark.parametrize(
    "name",
    [
        "693_J2KI.dcm", "J2K_pixelrep_mismatch.dcm", "MR_small.dcm", "MR_small_RLE.dcm",
        "MR_small_bigendian.dcm", "MR_small_implicit.dcm", "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm", "MR_small_padded.dcm", "examples_overlay.dcm",
    ],
)  # fmt: skip
def test_a_window_of_the_file_gives_the_shades_that_pydicom_computes(name: str) -> None:
    header = pydicom.dcmread(io.BytesIO(shipped(name)))
    values = apply_modality_lut(pixel_array(header), header)
    black, white = apply_voi_lut(np.array([-1e9, 1e9]), header)
    expected = (apply_voi_lut(values, header) - black) / (white - black) * 255
    assert (shown(shipped(name)) == np.rint(expected)).all()


@pytest.mark.parametrize(
    ("name", "mode", "size", "frame"),
    [
        ("CT_small.dcm", "L", (128, 128), "only"),
        ("ExplVR_BigEnd.dcm", "RGB", (80, 60), "only"),
        ("GDCMJ2K_TextGBR.dcm", "RGB", (400, 400), "only"),
        ("JPEG2000.dcm", "L", (256, 1024), "only"),
        ("JPEGLSNearLossless_16.dcm", "L", (10, 50), "only"),
        ("JPGExtended.dcm", "L", (256, 1024), "only"),
        ("SC_rgb_jls_lossy_line.dcm", "RGB", (100, 100), "only"),
        ("SC_rgb_jpeg_gdcm.dcm", "RGB", (100, 100), "only"),
        ("SC_rgb_rle_32bit.dcm", "RGB", (100, 100), "only"),
        ("examples_jpeg2k.dcm", "RGB", (640, 480), "only"),
        ("examples_ybr_color.dcm", "RGB", (320, 240), "middle"),
        ("image_dfl.dcm", "L", (512, 512), "only"),
        ("liver_1frame.dcm", "L", (512, 512), "only"),
        ("rtdose_rle.dcm", "L", (10, 10), "middle"),
    ],
)
def test_every_kind_that_pydicom_ships_is_shown(
    name: str, mode: str, size: tuple[int, int], frame: str
) -> None:
    image = DicomFile(shipped(name)).picture(Dicom(window="file", frame=frame))
    assert (image.mode, image.size) == (mode, size)
    assert np.asarray(image).std() > 1


def test_colours_are_the_same_however_they_are_stored() -> None:
    plain = shown(shipped("SC_rgb_rle.dcm"))
    for name in ("SC_rgb_rle_16bit.dcm", "SC_rgb_rle_32bit.dcm", "SC_rgb_gdcm_KY.dcm"):
        assert (shown(shipped(name)) == plain).all()
    for name in ("SC_ybr_full_422_uncompressed.dcm", "SC_rgb_dcmtk_+eb+cy+n1.dcm"):
        # Chroma is halved there: compared are large areas.
        error = np.abs(shown(shipped(name)).astype(int) - plain)
        assert np.median(error) == 0
    palette = pydicom.dcmread(io.BytesIO(shipped("examples_palette.dcm")))
    expected = apply_color_lut(pixel_array(palette), palette)
    assert (shown(shipped("examples_palette.dcm")) == np.rint(expected / 257)).all()


def test_a_linear_window_is_that_of_the_standard() -> None:
    # PS3.3, C.11.2.1.2.1: 0 up to c − 0.5 − (w − 1) / 2, 255 above c − 0.5 + (w − 1) / 2.
    pixels = shown(ct())
    assert (pixels == np.rint(np.clip(((VALUES - 39.5) / 399 + 0.5) * 255, 0, 255))).all()
    assert pixels[VALUES == -160] == 0
    assert pixels[VALUES == 239] == 255
    assert pixels[VALUES == 238] == 254
    given = shown(ct(), window=Window(center=-600.0, width=1500.0))
    assert (given == np.rint(np.clip(((VALUES + 600.5) / 1499 + 0.5) * 255, 0, 255))).all()
    # Of width 1 there are two shades.
    assert (shown(ct(WindowWidth=1, WindowCenter=40)) == 255 * (VALUES > 39.5)).all()


def test_the_other_functions_of_a_window() -> None:
    exact = shown(ct(VOILUTFunction="LINEAR_EXACT"))
    assert (exact == np.rint(np.clip(((VALUES - 40) / 400 + 0.5) * 255, 0, 255))).all()
    sigmoid = shown(ct(VOILUTFunction="SIGMOID"))
    assert (sigmoid == np.rint(255 / (1 + np.exp(-4 * (VALUES - 40) / 400)))).all()


@pytest.mark.parametrize(
    ("window", "ranges"),
    [
        # arXiv:2507.05201, 2.1: widths 2250, 350 and 80 at −100, 40 and 40.
        ("medgemma", [(-1225, 1025), (-135, 215), (0, 80)]),
        # Google-Health/medgemma, notebooks/high_dimensional_ct_hugging_face.ipynb.
        ("medgemma_1_5", [(-1024, 1024), (-135, 215), (0, 80)]),
    ],
)
def test_ct_is_shown_as_medgemma_saw_it(window: str, ranges: list[tuple[int, int]]) -> None:
    def published(low: int, high: int) -> np.ndarray:
        clipped = np.clip(VALUES, low, high).astype(np.float32)
        return np.round((clipped - low) / (high - low) * 255.0).astype(np.uint8)

    expected = np.stack([published(*each) for each in ranges], axis=-1)
    difference = np.abs(shown(ct(), window=window).astype(int) - expected)
    # Where single precision falls on the other side of a half.
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.001
    with pytest.raises(ValueError, match=rf"is no CT, and extract.dicom.window {window} is in"):
        shown(ct(Modality="MR"), window=window)


def test_monochrome1_is_inverted_after_the_window() -> None:
    assert (shown(ct(PhotometricInterpretation="MONOCHROME1")) == 255 - shown(ct())).all()


def lut(entries: int, first: int, bits: int, data: Any, vr: str = "US") -> pydicom.Sequence:
    item = pydicom.Dataset()
    item.LUTDescriptor = [entries, first, bits]
    item.add_new("LUTData", vr, data)
    return pydicom.Sequence([item])


def test_tables_of_shades_and_of_values() -> None:
    stored = VALUES + 1024
    # As many entries as 12 bits have, each of 8 bits: pydicom's own function counts to 255 here.
    table = [round(255 * (number / 4095) ** 0.5) for number in range(4096)]
    plain = {"RescaleSlope": None, "RescaleIntercept": None}
    header = ct(VOILUTSequence=lut(4096, 0, 8, table), **plain)
    assert (shown(header) == np.array(table)[stored.astype(int)]).all()
    packed = np.array(table, "<u2").tobytes()
    header = ct(VOILUTSequence=lut(4096, 0, 8, packed, "OW"), **plain)
    assert (shown(header) == np.array(table)[stored.astype(int)]).all()
    # A byte an entry; and 16 bits that are said, and 12 that are used.
    packed = np.array(table, "u1").tobytes()
    header = ct(VOILUTSequence=lut(4096, 0, 8, packed, "OW"), **plain)
    assert (shown(header) == np.array(table)[stored.astype(int)]).all()
    header = ct(VOILUTSequence=lut(4096, 0, 16, list(range(4096))), **plain)
    assert (shown(header) == np.rint(stored / 4095 * 255)).all()
    # Below the first and above the last entry are theirs.
    header = ct(VOILUTSequence=lut(3, 100, 10, [0, 512, 1023]), **plain)
    expected = np.array([0, 128, 255])[np.clip(stored.astype(int) - 100, 0, 2)]
    assert (shown(header) == expected).all()
    # The modality's table gives the values that the window is about.
    values = [number // 2 for number in range(4096)]
    header = ct(ModalityLUTSequence=lut(4096, 0, 16, values), **plain)
    expected = np.rint(np.clip((stored // 2 - 39.5) / 399 + 0.5, 0, 1) * 255)
    assert (shown(header) == expected).all()
    header = ct(ModalityLUTSequence=lut(4096, 0, 12, values), **plain)
    assert (shown(header) == expected).all()


def test_without_a_window_8_bits_keep_their_shades_and_16_fill_them() -> None:
    none = {"WindowCenter": None, "WindowWidth": None}
    eight = np.arange(60, 120, dtype=np.uint8).reshape(6, 10)
    assert (shown(ct(eight, **none, RescaleIntercept=0)) == eight).all()
    assert (shown(ct(**none)) == np.rint((VALUES + 1024) / 3071 * 255)).all()
    padded = np.arange(100, 200, dtype=np.int16).reshape(10, 10)
    padded[0] = -2000
    pixels = shown(ct(padded, **none, PixelPaddingValue=-2000, RescaleIntercept=-5))
    assert (pixels[0] == 0).all()
    assert (pixels[1:] == np.rint((padded[1:] - 110) / 89 * 255)).all()
    # Of one number nothing is known.
    assert (shown(ct(np.full((4, 4), 700, np.uint16), **none)) == 0).all()


def test_of_several_frames_the_middle_one_is_taken_where_that_is_said() -> None:
    frames = np.stack([np.full((8, 8), number, np.uint16) for number in range(5)])
    frames[:, 0, 0] = 4
    header = ct(frames, NumberOfFrames=5, WindowCenter=2.5, WindowWidth=6, RescaleIntercept=0)
    assert (shown(header, frame="middle")[1:] == 128).all()  # frame 2 of 0 to 4
    with pytest.raises(
        ValueError, match=r"holds 5 frames, and .* set extract\.dicom\.frame to middle"
    ):
        shown(header)


def test_an_enhanced_file_has_its_rules_in_functional_groups() -> None:
    frames = np.stack([np.arange(64, dtype=np.uint16).reshape(8, 8)] * 3)
    header = ct(frames, NumberOfFrames=3, WindowCenter=None, WindowWidth=None,
                RescaleSlope=None, RescaleIntercept=None)  # fmt: skip

    def group(sequence: str, **elements: float) -> pydicom.Dataset:
        item, outer = pydicom.Dataset(), pydicom.Dataset()
        for keyword, value in elements.items():
            setattr(item, keyword, value)
        setattr(outer, sequence, [item])
        return outer

    shared = group("FrameVOILUTSequence", WindowCenter=0, WindowWidth=129)
    header.SharedFunctionalGroupsSequence = [shared]
    header.PerFrameFunctionalGroupsSequence = [
        group("PixelValueTransformationSequence", RescaleSlope=slope, RescaleIntercept=-64)
        for slope in (1, 2, 3)
    ]
    values = frames[1] * 2.0 - 64
    expected = np.rint(np.clip((values + 0.5) / 128 + 0.5, 0, 1) * 255)
    assert (shown(header, frame="middle") == expected).all()


@pytest.mark.parametrize("fit", ["pad", "stretch"])
def test_grey_is_stored_as_if_it_had_been_resized_in_three_channels(fit: str) -> None:
    options = OPTIONS.model_copy(update={"format": "webp_lossless", "fit": fit})
    grey = Image.fromarray(shown(ct())).convert("RGB")
    buffer = io.BytesIO()
    grey.save(buffer, "PNG")
    stored = convert(encoded(ct()), options)
    assert stored == convert(buffer.getvalue(), options)
    assert Image.open(io.BytesIO(stored)).mode == "RGB"


@pytest.mark.parametrize(
    "name",
    [
        "693_J2KI.dcm", "ExplVR_BigEnd.dcm", "JPGExtended.dcm", "MR_small_bigendian.dcm",
        "MR_small_implicit.dcm", "SC_rgb_jpeg_gdcm.dcm", "SC_rgb_rle_16bit_2frame.dcm",
        "examples_palette.dcm", "examples_ybr_color.dcm", "image_dfl.dcm", "liver_1frame.dcm",
        "rtdose.dcm",
    ],
)  # fmt: skip
def test_a_bare_copy_has_the_same_picture_and_attributes(name: str) -> None:
    middle = Dicom(window="file", frame="middle")
    file = DicomFile(shipped(name))
    copy = DicomFile(file.bare())
    assert copy.bare() == file.bare()
    assert copy.picture(middle).tobytes() == file.picture(middle).tobytes()
    assert copy.attributes == file.attributes
