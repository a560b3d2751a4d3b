"""How many voices there may be: clusters of voice vectors merged or split until their number is as asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

FEWEST_TO_SPLIT = 2


def within_bounds(
    labels: npt.NDArray[np.int64], vectors: npt.NDArray[np.float32], fewest: int, most: int
) -> npt.NDArray[np.int64]:
    """Labels (n,) of vectors (n, d) changed so that there are `fewest` to `most` of them; 0 sets no bound.

    Too many: the two voices that are most alike, by the cosine of their means, become one, again and again. Too few:
    the voice whose vectors differ most is divided at the mean of its principal direction (Boley, "Principal Direction
    Divisive Partitioning", 1998). Fewer than `fewest` remain only where no voice has two vectors that differ.
    """
    labels = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    directions = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    while most and labels.max(initial=-1) + 1 > most:
        labels = _with_nearest_merged(labels, directions)
    while labels.max(initial=-1) + 1 < fewest:
        divided = _with_widest_divided(labels, directions)
        if divided is None:
            break
        labels = divided
    return labels


def _with_nearest_merged(labels: npt.NDArray[np.int64], directions: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    means = np.stack([directions[labels == label].mean(axis=0) for label in range(labels.max() + 1)])
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    likeness = means @ means.T
    np.fill_diagonal(likeness, -np.inf)
    one, other = sorted(np.unravel_index(np.argmax(likeness), likeness.shape))
    merged = np.where(labels == other, one, labels)
    return np.where(merged > other, merged - 1, merged)


def _with_widest_divided(
    labels: npt.NDArray[np.int64], directions: npt.NDArray[np.float32]
) -> npt.NDArray[np.int64] | None:
    """The labels with one more of them; None where nothing can be divided."""
    spreads = [_spread(directions[labels == label]) for label in range(labels.max(initial=-1) + 1)]
    if not spreads or max(spreads) <= 0:
        return None
    members = np.flatnonzero(labels == int(np.argmax(spreads)))
    around_mean = directions[members] - directions[members].mean(axis=0)
    _, axes = np.linalg.eigh(around_mean.T @ around_mean)
    divided = labels.copy()
    divided[members[around_mean @ axes[:, -1] > 0]] = labels.max() + 1
    return divided if divided.max() > labels.max() else None


def _spread(directions: npt.NDArray[np.float32]) -> float:
    """The sum of squared distances from the mean; 0 for what can't be divided."""
    if len(directions) < FEWEST_TO_SPLIT:
        return 0.0
    around_mean = directions - directions.mean(axis=0)
    spread = float(np.square(around_mean).sum())
    return spread if spread > np.finfo(np.float32).eps * len(directions) else 0.0
