"""A random forest on hand-made features of the same images, beside the network."""

import io
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import balanced_accuracy_score

from verdict.conversations import read_conversations
from verdict.records.shards import ImageStore


def forest_balanced_accuracy(data: Path) -> float:
    """Train on the training split's stored images, and score on the test split's."""
    store = ImageStore(data / "records")
    features, labels = {}, {}
    for split in ("train", "test"):
        rows = read_conversations(data / "chat" / f"{split}.jsonl")
        features[split] = np.array([abcd_features(store[row.id]) for row in rows])
        labels[split] = [row.label for row in rows]
    forest = RandomForestClassifier(500, class_weight="balanced", random_state=0, n_jobs=1)
    forest.fit(features["train"], labels["train"])
    return float(balanced_accuracy_score(labels["test"], forest.predict(features["test"])))


def abcd_features(data: bytes) -> list[float]:
    """Measure asymmetry, border, colour and diameter, the ABCD rule of dermatoscopy.

    The lesion is what differs most from the skin around it (Otsu's threshold on the distance from
    the median colour of a frame inside the padding).
    """
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=float)
    inside = pixels.sum(axis=2) > 30  # the padding is black
    skin = np.median(pixels[inside & _frame(inside)], axis=0)
    distance = np.where(inside, np.linalg.norm(pixels - skin, axis=2), 0.0)
    lesion = distance > _otsu(distance[inside])
    rows, columns = np.nonzero(lesion)
    if len(rows) < 5:
        return [0.0] * 12
    area = len(rows) / inside.sum()
    covariance = np.linalg.eigvalsh(np.cov(rows, columns))
    centred = [np.roll(lesion, (_middle(lesion, 0), _middle(lesion, 1)), axis=(0, 1))]
    mirrored = [centred[0][::-1], centred[0][:, ::-1], centred[0][::-1, ::-1]]
    asymmetry = [float((centred[0] ^ other).sum() / (2 * len(rows))) for other in mirrored]
    edge = sum(np.abs(np.diff(lesion.astype(int), axis=axis)).sum() for axis in (0, 1))
    colours = pixels[lesion]
    return [
        area,
        float(covariance[0] / max(covariance[1], 1e-9)),
        *asymmetry,
        float(edge / np.sqrt(len(rows))),
        *colours.std(axis=0),
        *(colours.mean(axis=0) - skin),
    ]


def _frame(inside: np.ndarray) -> np.ndarray:
    """Return the outer fifth of the picture proper."""
    rows, columns = np.nonzero(inside)
    frame = inside.copy()
    height, width = np.ptp(rows) // 10 + 1, np.ptp(columns) // 10 + 1
    frame[
        rows.min() + height : rows.max() - height, columns.min() + width : columns.max() - width
    ] = False
    return frame


def _middle(mask: np.ndarray, axis: int) -> int:
    return int(mask.shape[axis] // 2 - np.nonzero(mask)[axis].mean().round())


def _otsu(values: np.ndarray) -> float:
    """Return the threshold that separates values best (Otsu 1979)."""
    counts, edges = np.histogram(values, bins=64)
    below = np.cumsum(counts)
    total = np.cumsum(counts * (edges[:-1] + edges[1:]) / 2)
    above = below[-1] - below
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = below * above * (total / below - (total[-1] - total) / above) ** 2
    return float(edges[1:][np.nanargmax(spread)])
