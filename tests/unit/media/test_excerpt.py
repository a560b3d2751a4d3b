"""Which samples of a file belong to the part that is asked for."""

from __future__ import annotations

import numpy as np
import pytest

from batchscribe_engine.media.excerpt import Excerpt, refuse_longer
from batchscribe_engine.media.failure import MediaError
from batchscribe_engine.messages import DiarizeTask

BLOCKS = [2_000, 700, 1_300, 4_000]
ALL = np.arange(sum(BLOCKS), dtype=np.int16)


@pytest.mark.parametrize("channels", [0, 2])
@pytest.mark.parametrize(
    ("start_ms", "end_ms", "first", "end", "decoded"),
    [
        pytest.param(0, 0, 0, 8_000, 8_000, id="all"),
        pytest.param(129, 0, 1_920, 8_000, 8_000, id="from 10 ms on that have begun"),
        pytest.param(0, 125, 0, 2_000, 2_000, id="to the end of a block"),
        pytest.param(130, 251, 2_080, 4_016, 4_016, id="from within one block to within another"),
        pytest.param(260, 262, 4_160, 4_192, 4_192, id="within one block"),
        pytest.param(100, 900, 1_600, 8_000, 8_000, id="past the end of the file"),
        pytest.param(500, 0, 8_000, 8_000, 8_000, id="after the end of the file"),
    ],
)
def test_an_excerpt_is_cut_to_the_sample(
    channels: int, start_ms: int, end_ms: int, first: int, end: int, decoded: int
) -> None:
    steps: list[int] = []
    sound = np.stack([ALL] * channels) if channels else ALL
    task = DiarizeTask(1, -1, start_ms=start_ms, end_ms=end_ms)
    excerpt = Excerpt(task, lambda: steps.append(excerpt.work_ms))
    blocks = list(excerpt.of(np.split(sound, np.cumsum(BLOCKS)[:-1], axis=-1)))
    heard = np.concatenate(blocks, axis=-1) if blocks else sound[..., :0]
    np.testing.assert_array_equal(heard, sound[..., first:end])
    assert (excerpt.decoded_samples, excerpt.decoded_ms) == (decoded, decoded // 16)
    assert steps == sorted({min(int(ends), decoded) // 16 for ends in np.cumsum(BLOCKS)})


def test_what_is_longer_than_allowed_is_refused_by_its_name() -> None:
    refuse_longer("file", 60_000, 60_000)
    refuse_longer("file", 60_000, 0)
    with pytest.raises(MediaError, match="The recording is longer than 0:01:00, the longest allowed") as refused:
        refuse_longer("recording", 60_001, 60_000)
    assert refused.value.reason == "MEDIA_TOO_LONG"
