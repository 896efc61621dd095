import io

import numpy as np
import pytest
from PIL import Image

from verdict.baselines.images import BINS, DISTANCES, SIDE, image_features

#: Of each of six channels mean, deviation, skewness and histogram; shape; texture both ways.
NUMBERS = 6 * (3 + BINS) + 12 + 2 * len(DISTANCES)
SHAPE = slice(6 * (3 + BINS), 6 * (3 + BINS) + 12)


def stored(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "WEBP", lossless=True)
    return buffer.getvalue()


def on_skin(lesion: np.ndarray) -> np.ndarray:
    return np.where(lesion[..., None], (90, 40, 30), (220, 180, 160))


ROWS, COLUMNS = np.mgrid[:64, :64] - 31.5
DISC = on_skin(ROWS**2 + COLUMNS**2 < 15**2)


def test_colours_are_those_of_numpy() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(40, 256, (40, 30, 3))
    red = pixels[..., 0].ravel() / 255
    found = image_features(stored(pixels))
    skewness = ((red - red.mean()) ** 3).mean() / red.std() ** 3
    assert found[:3] == pytest.approx([red.mean(), red.std(), skewness])
    assert found[3 : 3 + BINS] == pytest.approx(np.histogram(red, BINS, (0, 1))[0] / len(red))
    across = np.abs(np.diff(pixels.mean(axis=2), axis=1)).mean() / 255
    down = np.abs(np.diff(pixels.mean(axis=2), axis=0)).mean() / 255
    assert found[-2 * len(DISTANCES) :][:2] == pytest.approx([down, across])
    assert len(found) == NUMBERS


def test_a_disc_is_round_and_even_and_half_of_one_is_not() -> None:
    area, roundness, *asymmetry = image_features(stored(DISC))[SHAPE][:5]
    assert area == pytest.approx(np.pi * 15**2 / 64**2, rel=0.02)
    assert roundness == pytest.approx(1, abs=0.01)
    assert max(asymmetry) < 0.1
    half = image_features(stored(on_skin((ROWS**2 + COLUMNS**2 < 15**2) & (ROWS < 0))))[SHAPE]
    assert half[1] < 0.6
    assert half[0] == pytest.approx(area / 2, rel=0.05)
    colour = image_features(stored(DISC))[SHAPE][-3:]
    assert colour.tolist() == [90 - 220, 40 - 180, 30 - 160]


def test_padding_does_not_count() -> None:
    padded = np.zeros((64, 100, 3))
    padded[:, 18:82] = DISC
    assert image_features(stored(padded))[SHAPE] == pytest.approx(
        image_features(stored(DISC))[SHAPE]
    )
    assert image_features(stored(padded))[:3] == pytest.approx(image_features(stored(DISC))[:3])


@pytest.mark.parametrize("colour", [0, 128, 255])
@pytest.mark.parametrize("size", [(1, 1), (16, 900)])
def test_images_of_one_colour_have_as_many_numbers(colour: int, size: tuple[int, int]) -> None:
    found = image_features(stored(np.full((*size, 3), colour)))
    assert len(found) == NUMBERS
    assert np.isfinite(found).all()


def test_a_large_image_is_measured_as_a_small_one() -> None:
    large = DISC.repeat(SIDE // 64 * 4, axis=0).repeat(SIDE // 64 * 4, axis=1)
    twice = DISC.repeat(SIDE // 64, axis=0).repeat(SIDE // 64, axis=1)
    assert image_features(stored(large)) == pytest.approx(image_features(stored(twice)))
