"""The same speech under other conditions."""

from __future__ import annotations

import numpy as np
import pytest

from batchscribe_engine.calibration.variants import VARIANTS, noisy, soft, telephone

SECOND = np.arange(16_000) / 16_000


def tone(frequency_hz: float, amplitude: float = 8000.0) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return np.rint(amplitude * np.sin(2 * np.pi * frequency_hz * SECOND)).astype(np.int16)


def level(samples: np.ndarray[tuple[int], np.dtype[np.int16]]) -> float:
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_same_sound_comes_out_the_same_and_as_long(variant: str) -> None:
    for samples in (tone(440), tone(440)[:15_999], tone(440, 32_767)):
        once = VARIANTS[variant](samples)
        assert once.dtype == np.int16
        assert once.shape == samples.shape
        assert np.array_equal(once, VARIANTS[variant](samples))


def test_soft_is_20_db_softer() -> None:
    assert level(soft(tone(440))) == pytest.approx(level(tone(440)) / 10, rel=0.01)


def test_noise_is_15_db_below_the_speech() -> None:
    noise = noisy(tone(440)).astype(np.int32) - tone(440)
    assert 20 * np.log10(level(tone(440)) / level(noise.astype(np.int16))) == pytest.approx(15, abs=0.2)


def test_the_telephone_takes_highs_and_lows_away() -> None:
    assert level(telephone(tone(1000))) == pytest.approx(level(tone(1000)), rel=0.01)
    for frequency_hz in (100, 5000):
        assert level(telephone(tone(frequency_hz))) < 0.01 * level(tone(frequency_hz))


def test_nothing_wraps_around_at_full_scale() -> None:
    loud = np.full(16_000, 32_767, dtype=np.int16)
    assert noisy(loud).min() > 0
