import ast
import io
import struct
import threading
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, features

from testing.isic import IsicArchive
from testing.places import ROOT, SHARED_DATA
from tests.extraction.test_extract import OPTIONS
from verdict.extraction import images
from verdict.extraction.extract import extract
from verdict.extraction.images import convert
from verdict.tasks.melanoma.table import Options, read_table


def encoded(image: Image.Image, format_: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def result(data: bytes, **changes: object) -> np.ndarray:
    options = OPTIONS.model_copy(update={"format": "webp_lossless", **changes})
    return np.asarray(Image.open(io.BytesIO(convert(data, options))).convert("RGB"))


def changed(format_: str, before: bytes, after: bytes) -> bytes:
    """Return a picture that is shown turned, with some of its bytes changed."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x0100] = 60
    exif[0x011A] = 72.0
    options = {"exif": exif} if format_ in ("JPEG", "WEBP") else {}
    data = encoded(Image.new("RGB", (60, 50), (200, 90, 60)), format_, **options)
    assert before in data
    return data.replace(before, after, 1)


def tiff_with_a_second_page_of_nothing() -> bytes:
    data = encoded(Image.new("RGB", (60, 50)), "TIFF")
    (begin,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, begin)
    end = begin + 2 + 12 * entries
    return data[:end] + struct.pack("<I", len(data)) + data[end + 4 :] + bytes(8)


#: What Pillow's decoders raised for each, while they were asked directly.
DAMAGED: dict[str, Callable[[], bytes]] = {
    "struct.error, JPEG": lambda: changed("JPEG", b"\x01\x00\x00\x04", b"\x01\x00\x00\x0b"),
    "struct.error, WebP": lambda: changed("WEBP", b"\x01\x00\x00\x04", b"\x01\x00\x00\x0b"),
    "TypeError, JPEG": lambda: changed("JPEG", b"\x01\x1a\x00\x05", b"\x01\x1a\x00\x07"),
    "TypeError, TIFF": tiff_with_a_second_page_of_nothing,
    "SyntaxError, WebP": lambda: changed("WEBP", b"MM\x00*", b"MM\x00\xff"),
    "RuntimeError, AVIF": lambda: changed("AVIF", b"iloc", b"ilox"),
    "NotImplementedError, DDS": lambda: changed("DDS", b"\x20\0\0\0\x40", b"\x20\0\0\0\0"),
}


@pytest.mark.fault("images")
@pytest.mark.parametrize("kind", DAMAGED)
def test_whatever_a_decoder_raises_is_a_file_that_does_not_decode(kind: str) -> None:
    if "AVIF" in kind and not features.check("avif"):
        pytest.skip("this Pillow was built without AVIF")
    of_exif = r"its EXIF data are damaged \(" if "JPEG" in kind or "WebP" in kind else ""
    with pytest.raises(ValueError, match=rf"^does not decode: {of_exif}\w"):
        result(DAMAGED[kind]())


@pytest.mark.fault("images")
@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_what_is_not_the_file_s_fault_is_not_hidden(
    monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def load(self: object) -> None:
        raise error

    data = encoded(Image.new("RGB", (64, 64)))
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    with pytest.raises(error):
        result(data)


@pytest.mark.fault("images")
def test_extract_leaves_out_the_damaged_and_keeps_the_others(
    isic: Callable[..., IsicArchive],
) -> None:
    archive = isic(images=9)
    names = sorted(archive.images)
    for name, kind in zip(names, ("struct.error, JPEG", "TypeError, TIFF"), strict=False):
        archive.images[name] = DAMAGED[kind]()
    archive.images[names[2]] = b"no image"
    options = OPTIONS.model_copy(update={"max_rejected": 3})
    table = read_table(archive.write(), Options())
    counts = extract(table, options, archive.folder.parent / "records")
    assert counts["records"] == 6
    assert [rejection["id"] for rejection in counts["rejections"]] == names[:3]
    # The same words in every run: no addresses in memory.
    assert counts["rejections"][2]["reason"] == (
        "does not decode: it is no image file of a known kind"
    )


@pytest.mark.parametrize(
    ("size", "width", "height"), [(64, 3000, 20), (512, 6000, 7), (64, 20, 3000), (16, 900, 1)]
)
@pytest.mark.parametrize("format_", ["JPEG", "PNG"])
def test_something_is_left_of_the_thinnest_picture(
    size: int, width: int, height: int, format_: str
) -> None:
    data = encoded(Image.new("RGB", (width, height), (255, 255, 255)), format_)
    pixels = result(data, size=size)
    assert pixels.shape == (size, size, 3)
    assert (pixels == 255).sum() == 3 * size
    assert (result(data, size=size, fit="stretch") == 255).all()


def test_pad_keeps_the_aspect_ratio_with_black_borders() -> None:
    pixels = result(encoded(Image.new("RGB", (200, 100), (255, 255, 255))))
    assert pixels.shape == (64, 64, 3)
    assert (pixels[:16] == 0).all()
    assert (pixels[16:48] == 255).all()
    assert (pixels[48:] == 0).all()


def test_stretch_fills_the_square() -> None:
    pixels = result(encoded(Image.new("RGB", (200, 100), (255, 255, 255))), fit="stretch")
    assert (pixels == 255).all()


def test_exif_orientation_is_applied() -> None:
    image = Image.new("RGB", (100, 100), (0, 0, 0))
    image.paste((255, 255, 255), (0, 0, 100, 50))  # the upper half is white
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90° clockwise: the white half is then on the right
    data = encoded(image, "JPEG", exif=exif, quality=95)
    pixels = result(data)
    assert pixels[:, :24].mean() < 5
    assert pixels[:, 40:].mean() > 250


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    image = Image.new("RGB", (80, 80), (200, 100, 50)).convert(mode)
    data = encoded(image, "JPEG") if mode in ("CMYK", "YCbCr") else encoded(image)
    assert result(data).shape == (64, 64, 3)


def test_transparency_is_laid_on_black() -> None:
    assert (result(encoded(Image.new("RGBA", (64, 64), (255, 255, 255, 0)))) == 0).all()


@pytest.mark.fault("images")
def test_sixteen_bit_images_are_refused_not_clipped() -> None:
    with pytest.raises(ValueError, match="mode I;16"):
        result(encoded(Image.new("I;16", (64, 64), 4000)))


@pytest.mark.parametrize("format_", ["GIF", "TIFF"])
def test_of_several_pictures_none_is_chosen(format_: str) -> None:
    pages = [Image.new("L", (80, 80), shade) for shade in (10, 120, 240)]
    with pytest.raises(ValueError, match="holds 3 pictures"):
        result(encoded(pages[0], format_, save_all=True, append_images=pages[1:]))
    assert result(encoded(pages[1], format_)).shape == (64, 64, 3)


def test_of_a_camera_s_views_the_first_is_the_picture() -> None:
    views = [Image.new("RGB", (80, 80), (shade, 90, 60)) for shade in (20, 220)]
    pixels = result(encoded(views[0], "MPO", save_all=True, append_images=views[1:]))
    assert pixels[..., 0].max() < 60


@pytest.mark.fault("images")
def test_too_many_pixels_are_refused_before_decoding() -> None:
    with pytest.raises(ValueError, match=r"megapixels, more than extract\.max_megapixels"):
        result(encoded(Image.new("L", (1100, 1000))), max_megapixels=1)


def test_more_pixels_than_pillow_would_take_are_a_matter_of_the_parameter_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5000)
    for format_ in ("PNG", "TIFF", "WEBP", "GIF"):
        data = encoded(Image.new("L", (1000, 900), 255), format_)
        assert (result(data, max_megapixels=1, fit="stretch") == 255).all()
    for height, says in ((1100, "^has 1.10 megapixels"), (2100, "^has many megapixels")):
        with pytest.raises(ValueError, match=rf"{says}, more than .* \(1\) allows: raise it"):
            result(encoded(Image.new("L", (1000, height))), max_megapixels=1)
    assert Image.MAX_IMAGE_PIXELS == 5000


def test_threads_leave_pillow_s_own_limit_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that begins while another one decodes is the last to end."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5000)
    data = encoded(Image.new("L", (200, 90)))
    both, first_ended = threading.Barrier(2), threading.Event()
    found: list[int | None] = []

    def paused(image: Image.Image) -> None:
        both.wait(10)
        if threading.current_thread() is last:
            assert first_ended.wait(10)
            found.append(Image.MAX_IMAGE_PIXELS)

    monkeypatch.setattr(images, "_check_one_picture", paused)
    first, last = (
        threading.Thread(target=result, args=(data,), kwargs={"max_megapixels": allowed})
        for allowed in (1, 2)
    )
    first.start()
    last.start()
    first.join()
    first_ended.set()
    last.join()
    assert found == [2_000_000]
    assert Image.MAX_IMAGE_PIXELS == 5000


def test_a_large_jpeg_decoded_at_reduced_scale_stays_close_to_a_full_decode() -> None:
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 255, (40, 60, 3), dtype=np.uint8))
    large = small.resize((3000, 2000), Image.Resampling.BICUBIC)
    data = encoded(large, "JPEG", quality=95)
    full = Image.open(io.BytesIO(data)).convert("RGB").resize((64, 64), Image.Resampling.BILINEAR)
    difference = result(data, fit="stretch").astype(float) - np.asarray(full, dtype=float)
    psnr = 10 * np.log10(255**2 / np.mean(difference**2))
    assert psnr > 50


def test_the_real_image_with_orientation_6_is_upright() -> None:
    path = SHARED_DATA / "isic_archive_1022x767" / "image_with_exif_including_orientation.jpg"
    if not path.exists():
        pytest.skip("the real ISIC image with EXIF orientation 6 is not at hand")
    stored = Image.open(path)
    assert stored.getexif()[0x0112] == 6
    pixels = result(path.read_bytes())
    borders_left_right = (pixels[:, 0] == 0).all() and (pixels[:, -1] == 0).all()
    # Stored wide, so upright it is tall: the padding is at the sides.
    assert (stored.width > stored.height) == borders_left_right


@pytest.mark.fault("images")
def test_no_format_is_opened_that_starts_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *_: pytest.fail("was started"))
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    with pytest.raises(ValueError, match="no image file of a known kind"):
        convert(eps, OPTIONS)


@pytest.mark.fault("images")
def test_every_image_that_is_opened_names_the_formats_it_may_have() -> None:
    unnamed = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for folder in ("verdict", "stages", "tools", "verify")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "Image.open"
        and not any(keyword.arg == "formats" for keyword in node.keywords)
    ]
    assert unnamed == []
