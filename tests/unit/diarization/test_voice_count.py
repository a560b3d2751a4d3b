"""Clusters of voices within the bounds that are asked for."""

from __future__ import annotations

import numpy as np
import pytest

from batchscribe_engine.diarization.voice_count import within_bounds

VOICES = np.eye(4, 8, dtype=np.float32)
VOICES[1] = (VOICES[0] + 0.3 * VOICES[1]) / np.linalg.norm(VOICES[0] + 0.3 * VOICES[1])  # much like the first


def heard(*voices: int) -> np.ndarray:
    """Vectors of these voices, no two alike."""
    noise = np.random.default_rng(1).normal(0, 0.02, (len(voices), 8))
    return (VOICES[list(voices)] + noise).astype(np.float32)


SPOKEN = (0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3)


def groups(labels: np.ndarray) -> list[list[int]]:
    """The voices under each label."""
    return sorted(sorted({SPOKEN[place] for place in np.flatnonzero(labels == label)}) for label in np.unique(labels))


def test_without_bounds_labels_are_only_numbered_anew() -> None:
    labels = np.array([5, 5, -1, 7])
    assert within_bounds(labels, heard(0, 0, 2, 3), 0, 0).tolist() == [1, 1, 0, 2]


def test_of_too_many_those_that_are_most_alike_become_one() -> None:
    labels = np.array(SPOKEN)
    assert groups(within_bounds(labels, heard(*SPOKEN), 0, 4)) == [[0], [1], [2], [3]]
    assert groups(within_bounds(labels, heard(*SPOKEN), 0, 3)) == [[0, 1], [2], [3]]
    assert groups(within_bounds(labels, heard(*SPOKEN), 0, 1)) == [[0, 1, 2, 3]]


def test_of_too_few_those_that_differ_most_are_divided() -> None:
    labels = np.zeros(len(SPOKEN), dtype=np.int64)
    assert groups(within_bounds(labels, heard(*SPOKEN), 3, 0)) == [[0, 1], [2], [3]]
    assert groups(within_bounds(labels, heard(*SPOKEN), 4, 4)) == [[0], [1], [2], [3]]


@pytest.mark.parametrize("vectors", [np.zeros((0, 8)), np.ones((1, 8)), np.ones((3, 8)), np.zeros((2, 8))])
def test_what_cannot_be_divided_stays_whole(vectors: np.ndarray) -> None:
    labels = np.zeros(len(vectors), dtype=np.int64)
    assert within_bounds(labels, vectors.astype(np.float32), 2, 5).tolist() == labels.tolist()
