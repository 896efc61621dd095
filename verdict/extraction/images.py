"""Decode, resize and encode one image."""

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from PIL import Image, ImageOps, UnidentifiedImageError

from verdict.params.data import Extract
from verdict.records.image_files import UnusableError, is_dicom

#: Decode at a reduced scale only where it leaves this many times the target: measured, that keeps
#: the result within 53 dB of a full decode on 24-megapixel JPEGs, and costs a fifth of the time.
DRAFT_MARGIN = 1.5

#: What Pillow may read. Others of its formats start a program (EPS starts Ghostscript).
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")

_RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}

# What is too large is refused here, in words that name the parameter. Said once, for all threads:
# a filter for the time of one image would be put back by another thread too early, or never.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def convert(data: bytes, options: Extract) -> bytes:
    """Turn an image file's bytes into the bytes stored in a record.

    EXIF orientation is applied, transparency is laid on black, and every mode becomes RGB. A DICOM
    file's numbers become shades as ``extract.dicom`` says.
    ``fit: pad`` keeps the aspect ratio and pads with black to a square, as the published melanoma
    run did; ``stretch`` does not keep it.

    Returns:
        JPEG (4:4:4) or lossless WebP of size × size pixels.

    Raises:
        ValueError: the bytes are no image, are damaged, hold several pictures (an animation, the
            pages of a TIFF), or more pixels than allowed; or as ``DicomFile``.
    """
    return convert_described(data, options)[0]


def convert_described(data: bytes, options: Extract) -> tuple[bytes, dict[str, str]]:
    """Do what ``convert`` does, and return what a DICOM header says in terms that are known, too.

    Raises:
        ValueError: as ``convert``.
    """
    attributes: dict[str, str] = {}
    if is_dicom(data):
        image, attributes = _decode_dicom(data, options)
    else:
        image = _decode(data, options)
    resampling = _RESAMPLING[options.resample]
    if options.fit == "pad":
        image = _padded(image, options.size, resampling)
    else:
        image = image.resize((options.size, options.size), resampling)
    # Grey of a DICOM file is resized in one channel: the same shades in a third of the time.
    return _encode(image.convert("RGB"), options.format, options.quality), attributes


def _decode_dicom(data: bytes, options: Extract) -> tuple[Image.Image, dict[str, str]]:
    # Imported only now: pydicom takes a third of a second, which most workers need not spend.
    from verdict.extraction.dicom.file import DicomFile

    file = DicomFile(data)
    _check_pixels(file.pixels, options)
    with _PILLOW.allowing(options.max_megapixels * 1_000_000):
        return file.picture(options.dicom), file.attributes


def _decode(data: bytes, options: Extract) -> Image.Image:
    try:
        with _PILLOW.allowing(options.max_megapixels * 1_000_000):
            image: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
            _check_pixels(image.width * image.height, options)
            _check_one_picture(image)
            if image.format == "JPEG":
                _decode_reduced(image, options.size)
            image.load()
            _turn(image)
            return _to_rgb(image)
    except (UnusableError, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise ValueError(f"has many {_too_many(options)}") from None
    except UnidentifiedImageError:
        # Pillow's words hold an address in memory, and metrics/extract.json must not.
        raise ValueError("does not decode: it is no image file of a known kind") from None
    except Exception as error:
        # Pillow's decoders promise no kind of error. For damaged or odd bytes they have raised
        # struct.error, TypeError, SyntaxError, RuntimeError and NotImplementedError, and a slip in
        # one of them raises anything. No file of somebody else's may end a run over all others.
        raise ValueError(f"does not decode: {str(error) or type(error).__name__}") from None


def _check_pixels(pixels: int, options: Extract) -> None:
    if pixels > options.max_megapixels * 1_000_000:
        raise UnusableError(f"has {pixels / 1e6:,.2f} {_too_many(options)}")


def _too_many(options: Extract) -> str:
    return (
        f"megapixels, more than extract.max_megapixels ({options.max_megapixels}) allows: raise "
        "it, or make the image smaller"
    )


def _check_one_picture(image: Image.Image) -> None:
    # A camera's MPO holds one picture and its previews or views.
    frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    if frames > 1:
        raise UnusableError(
            f"holds {frames} pictures, and which one is meant is not known: save that one as a "
            "file of its own"
        )


def _decode_reduced(image: Image.Image, size: int) -> None:
    """Let a JPEG be decoded at a reduced scale, where that leaves enough for ``size``."""
    scale = max(1, round(size * DRAFT_MARGIN)) / max(image.size)
    # Of a wide and low picture less than a row would be asked for.
    image.draft("RGB", (max(1, int(image.width * scale)), max(1, int(image.height * scale))))


def _turn(image: Image.Image) -> None:
    """Apply the orientation that the EXIF data say.

    Raises:
        ValueError: they are damaged; then nobody knows which side is up.
    """
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except MemoryError:
        raise
    except Exception as error:  # as in ``_decode``
        raise ValueError(f"its EXIF data are damaged ({error}): save it without them") from None


class _PillowLimit:
    """Pillow's own limit of pixels, which is one for the whole process.

    Above twice that limit Pillow refuses, so that ``extract.max_megapixels`` would have no effect
    beyond 178. It is raised, never lowered, while any thread decodes, and put back after the last:
    were each thread to put back what it found, the last could find what another had raised.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads = 0
        self._before: int | None = None

    @contextmanager
    def allowing(self, pixels: int) -> Iterator[None]:
        with self._lock:
            if self._threads == 0:
                self._before = Image.MAX_IMAGE_PIXELS
            self._threads += 1
            if Image.MAX_IMAGE_PIXELS is not None:
                Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, pixels)
        try:
            yield
        finally:
            with self._lock:
                self._threads -= 1
                if self._threads == 0:
                    Image.MAX_IMAGE_PIXELS = self._before


_PILLOW = _PillowLimit()


def _padded(image: Image.Image, size: int, resampling: Image.Resampling) -> Image.Image:
    width, height = (round(side / max(image.size) * size) for side in image.size)
    if not (width and height):
        # Pillow would leave nothing of so thin a picture, and give a black one.
        image = image.resize((max(1, width), max(1, height)), resampling)
    return ImageOps.pad(image, (size, size), resampling, color=0)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        raise UnusableError(
            f"has mode {image.mode}: its brightness range is not known; convert it to 8 bits first"
        )
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        black = Image.new("RGBA", rgba.size, (0, 0, 0, 255))
        return Image.alpha_composite(black, rgba).convert("RGB")
    return image.convert("RGB")


def _encode(image: Image.Image, format_: Literal["jpeg", "webp_lossless"], quality: int) -> bytes:
    buffer = io.BytesIO()
    if format_ == "jpeg":
        image.save(buffer, "JPEG", quality=quality, subsampling=0)
    else:
        image.save(buffer, "WEBP", lossless=True, method=4)
    return buffer.getvalue()
