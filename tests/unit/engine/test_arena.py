"""The arena's slots: what is written is read in place, and what was written out of turn is noticed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from batchscribe_engine.arena import SLOT_BYTES, SLOT_SAMPLES, Arena, StaleSlotError

SLOTS = 3


@pytest.fixture
def arena() -> Iterator[Arena]:
    arena = Arena.create(SLOTS)
    yield arena
    arena.close()


def noise(samples: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(-(2**15), 2**15, samples, dtype=np.int16)


@pytest.mark.parametrize("samples", [0, 1, 32_000, SLOT_SAMPLES])
def test_what_is_written_is_read_and_neighbours_stay_as_they_are(arena: Arena, samples: int) -> None:
    for slot in range(SLOTS):
        arena.write(slot, 10 + slot, noise(SLOT_SAMPLES, slot))
    arena.write(1, 20, noise(samples, 5))

    assert np.array_equal(arena.read(1, 20), noise(samples, 5))
    assert np.array_equal(arena.read(0, 10), noise(SLOT_SAMPLES, 0))
    assert np.array_equal(arena.read(2, 12), noise(SLOT_SAMPLES, 2))


def test_a_slot_is_read_where_it_lies(arena: Arena) -> None:
    arena.write(0, 1, noise(100))
    heard = arena.read(0, 1)
    arena.write(0, 1, noise(100, seed=2))

    assert np.array_equal(heard, noise(100, seed=2))
    with pytest.raises(ValueError, match="read-only"):
        heard[0] = 0


def test_samples_that_do_not_lie_side_by_side_are_written_too(arena: Arena) -> None:
    stereo = noise(2000).reshape(1000, 2)
    arena.write(0, 1, stereo[:, 1])
    assert np.array_equal(arena.read(0, 1), stereo[:, 1])


def test_a_process_that_writes_after_its_slot_was_taken_away_is_noticed(arena: Arena) -> None:
    stray, owner = Arena.attach(os.dup(arena.descriptor)), arena
    owner.write(2, 8, noise(1000))
    stray.write(2, 7, noise(500, seed=2))
    stray.close()

    with pytest.raises(StaleSlotError, match="slot 2 holds generation 7, not 8"):
        arena.read(2, 8)


def test_a_slot_that_was_never_written_is_no_segment(arena: Arena) -> None:
    with pytest.raises(StaleSlotError):
        arena.read(0, 1)


def test_a_header_that_lies_about_its_length_is_refused(arena: Arena) -> None:
    os.pwrite(arena.descriptor, (5).to_bytes(8, "little") + (SLOT_SAMPLES + 1).to_bytes(8, "little"), SLOT_BYTES)
    with pytest.raises(StaleSlotError):
        arena.read(1, 5)


def test_what_is_too_long_for_a_slot_is_refused_and_changes_nothing(arena: Arena) -> None:
    arena.write(0, 1, noise(10))
    with pytest.raises(ValueError, match="a slot holds 480000 samples, not 480001"):
        arena.write(0, 2, noise(SLOT_SAMPLES + 1))
    assert np.array_equal(arena.read(0, 1), noise(10))


@pytest.mark.parametrize("slot", [-1, SLOTS])
def test_there_are_no_other_slots(arena: Arena, slot: int) -> None:
    with pytest.raises(IndexError, match="no slot"):
        arena.write(slot, 1, noise(10))
    with pytest.raises(IndexError, match="no slot"):
        arena.read(slot, 1)


def test_a_write_does_not_keep_the_arena_open_and_a_segment_in_use_does() -> None:
    arena = Arena.create(1)
    arena.write(0, 1, noise(10))
    heard = arena.read(0, 1)
    with pytest.raises(BufferError):
        arena.close()
    del heard
    arena.close()


def test_a_slot_takes_no_memory_before_it_is_written(arena: Arena) -> None:
    assert os.fstat(arena.descriptor).st_blocks == 0
    arena.write(1, 1, noise(SLOT_SAMPLES))
    taken_bytes = 512 * os.fstat(arena.descriptor).st_blocks
    assert SLOT_BYTES <= taken_bytes < 1.1 * SLOT_BYTES


def test_the_server_maps_an_arena_without_numpy() -> None:
    code = (
        "import sys; from batchscribe_engine.arena import Arena; "
        "Arena.create(2).close(); sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0
