from collections.abc import Sequence

import pytest

from batchscribe_engine.inference.appetite import Appetite
from batchscribe_engine.inference.core import in_halves
from batchscribe_engine.inference.errors import OutOfMemoryError


class Device:
    """Squares numbers, at most `room` at a time."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.sizes: list[int] = []

    def run(self, numbers: Sequence[int]) -> list[int]:
        self.sizes.append(len(numbers))
        if len(numbers) > self.room:
            raise OutOfMemoryError("full")
        return [number**2 for number in numbers]


def test_what_fits_runs_at_once() -> None:
    device = Device(8)
    assert in_halves(device.run, [1, 2, 3], len, Appetite(8)) == [1, 4, 9]
    assert device.sizes == [3]


def test_what_does_not_fit_runs_in_halves_and_keeps_its_order() -> None:
    device = Device(2)
    assert in_halves(device.run, list(range(8)), len, Appetite(8)) == [0, 1, 4, 9, 16, 25, 36, 49]
    assert device.sizes == [8, 4, 2, 2, 2, 2]


def test_what_did_not_fit_is_not_tried_again() -> None:
    device, appetite = Device(2), Appetite(8)
    in_halves(device.run, [1, 2, 3, 4], len, appetite)
    device.sizes.clear()
    assert in_halves(device.run, [1, 2, 3, 4], len, appetite) == [1, 4, 9, 16]
    assert device.sizes == [2, 2]


def test_one_that_does_not_fit_fails() -> None:
    appetite = Appetite(8)
    with pytest.raises(OutOfMemoryError):
        in_halves(Device(0).run, [1, 2], len, appetite)
    assert appetite.limit_s == 0.5
