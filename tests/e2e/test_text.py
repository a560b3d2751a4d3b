"""A number that is dictated with a pause, through a real server and a real model."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from batchscribe import Client, InvalidArgumentError, output_config
from batchscribe.v1.recognition_pb2 import RedactionConfig
from tests.running_server import running_server
from tests.speech import RATE_HZ, read_wav, side_by_side, spoken

DICTATED = ["My card number is 4 1 1 1, 2 2 3 3.", "4 4 5 5, 6 6 7 7.", "I was born in nineteen ninety nine."]


@pytest.mark.slow
def test_what_is_dictated_is_in_no_output_and_not_in_the_live_stream(tmp_path: Path) -> None:
    pause = np.zeros(3 * RATE_HZ, np.int16)
    sounds = [sound for text in DICTATED for sound in (read_wav(spoken(text)), pause)]
    audio = side_by_side([np.concatenate(sounds)], tmp_path / "card.wav")
    with running_server(tmp_path, "--model=tiny.en") as server, Client(server.address) as client:
        job = client.submit(
            audio.as_uri(),
            output=output_config((tmp_path / "out").as_uri(), formats=["json", "txt", "srt"]),
            redaction=True,
            word_time_offsets=True,
        )
        streamed = [event.segment for event in client.watch_job(job.name) if event.HasField("segment")]
        with pytest.raises(InvalidArgumentError, match="NAMES"):
            client.submit(
                audio.as_uri(), redaction=RedactionConfig(enabled=True, categories=[RedactionConfig.CATEGORY_NAMES])
            )
    texts = [*(segment.text for segment in streamed), *(word.text for s in streamed for word in s.words)]
    assert len(streamed) >= 2
    assert any("XXXX" in text or "X, X" in text or "X X" in text for text in texts)
    assert not any(re.search(r"\d", text) for text in texts)
    assert not re.search(r"\d", (tmp_path / "out" / "card.wav.txt").read_text())
