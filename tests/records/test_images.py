import io

import numpy as np
import pytest
from PIL import Image

from tests.conftest import SHARED_DATA
from tests.records.test_extract import OPTIONS
from verdict.records.images import convert


def encoded(image: Image.Image, format_: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def result(data: bytes, **changes: object) -> np.ndarray:
    options = OPTIONS.model_copy(update={"format": "webp_lossless", **changes})
    return np.asarray(Image.open(io.BytesIO(convert(data, options))).convert("RGB"))


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


def test_too_many_pixels_are_refused_before_decoding() -> None:
    with pytest.raises(ValueError, match=r"megapixels, more than extract\.max_megapixels"):
        result(encoded(Image.new("L", (1100, 1000))), max_megapixels=1)


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
