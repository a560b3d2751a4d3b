"""Frames of all sample formats, as mono and with their channels apart."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import pytest

from batchscribe_engine.media.mixdown import MOST_PLANES, apart, first_alike, mono

FORMATS = {
    "u8": ("u1", lambda x: np.round(x * 127 + 128)),
    "s16": ("i2", lambda x: np.round(x * 32767)),
    "s32": ("i4", lambda x: np.round(x * (2**31 - 1))),
    "flt": ("f4", lambda x: x),
    "dbl": ("f8", lambda x: x),
}


def frame_of(channels: np.ndarray[Any, Any], sample_format: str, *, planar: bool, layout: str) -> Any:
    dtype, scale = FORMATS[sample_format]
    values = scale(channels).astype(dtype)
    array = np.ascontiguousarray(values) if planar else np.ascontiguousarray(values.T).reshape(1, -1)
    return av.AudioFrame.from_ndarray(array, format=sample_format + ("p" if planar else ""), layout=layout)


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("sample_format", FORMATS)
@pytest.mark.parametrize(("layout", "count"), [("mono", 1), ("stereo", 2), ("5.1", 6)])
def test_channels_count_alike_in_every_sample_format(sample_format: str, planar: bool, layout: str, count: int) -> None:
    channels = np.random.default_rng(3).uniform(-0.9, 0.9, (count, 1001))
    mixed = mono(frame_of(channels, sample_format, planar=planar, layout=layout))
    assert mixed.dtype == np.float32
    assert mixed == pytest.approx(channels.mean(axis=0), abs=1 / 60 if sample_format == "u8" else 1e-4)


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("sample_format", FORMATS)
def test_channels_stay_apart_in_every_sample_format(sample_format: str, planar: bool) -> None:
    channels = np.random.default_rng(3).uniform(-0.9, 0.9, (3, 1001))
    separate = apart(frame_of(channels, sample_format, planar=planar, layout="2.1"))
    assert separate.dtype == np.float32
    assert separate.shape == (3, 1001)
    assert separate == pytest.approx(channels, abs=1 / 60 if sample_format == "u8" else 1e-4)


@pytest.mark.parametrize("planar", [False, True])
def test_channels_are_alike_where_every_sample_is(planar: bool) -> None:
    channels = np.random.default_rng(3).uniform(-0.9, 0.9, (4, 100))
    channels[2] = channels[0]
    channels[3] = channels[1]
    channels[3, 99] += 0.01
    assert first_alike(frame_of(channels, "s16", planar=planar, layout="quad")) == (0, 1, 0, 3)


@pytest.mark.parametrize("sample_format", ["u8", "s16", "flt"])
def test_of_channels_that_cancel_out_the_loudest_is_taken(sample_format: str) -> None:
    voice = np.random.default_rng(3).uniform(-0.9, 0.9, 500)
    mixed = mono(frame_of(np.stack([0.95 * voice, -voice]), sample_format, planar=True, layout="stereo"))
    assert mixed == pytest.approx(-voice, abs=1 / 60 if sample_format == "u8" else 1e-4)


def test_a_voice_in_one_of_many_channels_is_mixed_with_the_others() -> None:
    channels = np.zeros((6, 500))
    channels[4] = np.random.default_rng(3).uniform(-0.9, 0.9, 500)
    assert mono(frame_of(channels, "flt", planar=True, layout="5.1")) == pytest.approx(channels[4] / 6, abs=1e-4)


def test_infinities_raise_no_warning() -> None:
    channels = np.array([[np.inf, np.nan, 0.5], [-np.inf, 0.0, 0.5]])
    assert mono(frame_of(channels, "flt", planar=True, layout="stereo"))[2] == 0.5


def test_more_planes_than_can_be_read_are_refused() -> None:
    packed = frame_of(np.zeros((8, 100)), "flt", planar=False, layout="7.1")
    packed.sample_rate = 48_000
    assert mono(packed).shape == (100,)
    (planar,) = av.AudioResampler(format="fltp", layout="7.1", rate=48_000).resample(packed)
    assert planar.layout.nb_channels > MOST_PLANES
    with pytest.raises(ValueError, match="planes"):
        mono(planar)
