"""Colours, shapes and textures of an image, measured as dermatologists and pathologists look."""

import numpy as np
from PIL import Image

from verdict.models.chat import decode

#: Longest side in pixels of what is measured: a larger image is averaged down to it.
SIDE = 128
#: Bins of a channel's histogram.
BINS = 8
#: Distances in pixels over which texture is measured.
DISTANCES = (1, 2, 4, 8)
#: Up to this sum of red, green and blue (of 765) a pixel is the black that images are padded with.
_BLACK = 30
#: Fewest pixels of something that has a shape.
_FEWEST = 5


def image_features(data: bytes) -> np.ndarray:
    """Return what is measured of an image, always as many numbers.

    Of each channel, of RGB and of HSV, the moments and the histogram; of what stands out from its
    surroundings asymmetry, border, colour and diameter; and texture over several distances. The
    black that an image is padded with is left out.

    Args:
        data: the stored image.
    """
    image = decode(data)
    image.thumbnail((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=None)
    pixels = np.asarray(image, dtype=float)
    inside = pixels.sum(axis=2) > _BLACK
    if inside.sum() < _FEWEST:
        inside = np.ones(inside.shape, dtype=bool)
    channels = [*_channels(pixels), *_channels(np.asarray(image.convert("HSV"), dtype=float))]
    numbers = [number for channel in channels for number in _colours(channel[inside] / 255)]
    return np.array([*numbers, *_shape(pixels, inside), *_texture(pixels.mean(axis=2), inside)])


def _channels(pixels: np.ndarray) -> list[np.ndarray]:
    return [pixels[..., i] for i in range(pixels.shape[2])]


def _colours(values: np.ndarray) -> list[float]:
    """Return mean, standard deviation, skewness and histogram of values (n) from 0 to 1."""
    mean, deviation = values.mean(), values.std()
    skewness = ((values - mean) ** 3).mean() / max(deviation, 1e-6) ** 3
    counts, _ = np.histogram(values, bins=BINS, range=(0, 1))
    return [float(mean), float(deviation), float(skewness), *(counts / len(values)).tolist()]


def _shape(pixels: np.ndarray, inside: np.ndarray) -> list[float]:
    """Measure asymmetry, border, colour and diameter, the ABCD rule of dermatoscopy.

    The lesion is what differs most from what is around it: Otsu's threshold on the distance from
    the median colour of a frame inside the padding. The rule: Nachbar et al. 1994, J. Am. Acad.
    Dermatol. 30:551.
    """
    around = np.median(pixels[inside & _frame(inside)], axis=0)
    distance = np.where(inside, np.sqrt(((pixels - around) ** 2).sum(axis=2)), 0.0)
    lesion = distance > _otsu(distance[inside])
    rows, columns = np.nonzero(lesion)
    if len(rows) < _FEWEST:
        return [0.0] * 12
    rows, columns = rows - rows.mean(), columns - columns.mean()
    middle, apart = ((rows**2).mean() + (columns**2).mean()) / 2, (rows * columns).mean()
    reach = np.hypot(((rows**2).mean() - (columns**2).mean()) / 2, apart)
    centred = np.roll(lesion, (_off_middle(lesion, 0), _off_middle(lesion, 1)), axis=(0, 1))
    mirrored = (centred[::-1], centred[:, ::-1], centred[::-1, ::-1])
    edge = sum(np.abs(np.diff(lesion.astype(int), axis=axis)).sum() for axis in (0, 1))
    colours = pixels[lesion]
    numbers = [
        len(rows) / inside.sum(),
        (middle - reach) / max(middle + reach, 1e-9),
        *((centred ^ other).sum() / (2 * len(rows)) for other in mirrored),
        edge / np.sqrt(len(rows)),
        *colours.std(axis=0),
        *(colours.mean(axis=0) - around),
    ]
    return [float(number) for number in numbers]


def _texture(grey: np.ndarray, inside: np.ndarray) -> list[float]:
    """Return the mean difference of grey values over each distance, across and down."""
    found = []
    for distance in DISTANCES:
        for lines, seen in ((grey, inside), (grey.T, inside.T)):
            both = seen[distance:] & seen[:-distance]
            steps = np.abs(lines[distance:] - lines[:-distance])[both]
            found.append(float(steps.mean()) / 255 if len(steps) else 0.0)
    return found


def _frame(inside: np.ndarray) -> np.ndarray:
    """Return the outer fifth of the picture proper."""
    rows, columns = np.nonzero(inside)
    frame = inside.copy()
    height, width = np.ptp(rows) // 10 + 1, np.ptp(columns) // 10 + 1
    frame[
        rows.min() + height : rows.max() - height, columns.min() + width : columns.max() - width
    ] = False
    return frame


def _off_middle(mask: np.ndarray, axis: int) -> int:
    return int(mask.shape[axis] // 2 - np.nonzero(mask)[axis].mean().round())


def _otsu(values: np.ndarray) -> float:
    """Return the threshold that separates values best (Otsu 1979, IEEE Trans. SMC 9:62)."""
    counts, edges = np.histogram(values, bins=64)
    below = np.cumsum(counts)
    total = np.cumsum(counts * (edges[:-1] + edges[1:]) / 2)
    above = below[-1] - below
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = below * above * (total / below - (total[-1] - total) / above) ** 2
    return float(edges[1:][np.nanargmax(spread)]) if np.isfinite(spread).any() else 0.0
