"""What a client's config means to the children."""

from __future__ import annotations

import pytest

from batchscribe_engine.messages import VoiceActivityOptions
from batchscribe_server.domain.recognition import Decoding, OperatingPoint, RecognitionConfig, VoiceActivity
from batchscribe_server.transcriber.options import decode_options, voice_activity_options
from tests.sequential_desk import in_sequence


def test_what_is_left_open_follows_the_childrens_defaults() -> None:
    assert voice_activity_options(RecognitionConfig()) == VoiceActivityOptions()


def test_every_option_is_handed_on() -> None:
    asked = VoiceActivity(enabled=False, threshold=0.3, min_silence_ms=0, min_speech_ms=250, speech_pad_ms=0)
    assert voice_activity_options(RecognitionConfig(voice_activity=asked)) == VoiceActivityOptions(
        enabled=False, threshold=0.3, min_silence_ms=0, min_speech_ms=250, speech_pad_ms=0
    )


@pytest.mark.parametrize(
    ("point", "beam_size"), [(OperatingPoint.STANDARD, 1), (OperatingPoint.ENHANCED, 5), (OperatingPoint.SEQUENTIAL, 5)]
)
def test_the_operating_point_gives_the_beam_unless_the_client_does(point: OperatingPoint, beam_size: int) -> None:
    assert decode_options(in_sequence(config=RecognitionConfig(operating_point=point))).beam_size == beam_size
    narrow = RecognitionConfig(operating_point=point, decoding=Decoding(beam_size=3))
    assert decode_options(in_sequence(config=narrow)).beam_size == 3


@pytest.mark.parametrize(
    ("point", "asked", "finds_speech", "blocks"),
    [
        (OperatingPoint.STANDARD, None, True, False),
        (OperatingPoint.ENHANCED, False, False, False),
        (OperatingPoint.SEQUENTIAL, None, False, True),
        (OperatingPoint.SEQUENTIAL, False, False, True),
        (OperatingPoint.SEQUENTIAL, True, True, True),
    ],
)
def test_in_sequence_speech_is_not_looked_for_unless_the_client_asks(
    point: OperatingPoint, asked: bool | None, finds_speech: bool, blocks: bool
) -> None:
    config = RecognitionConfig(operating_point=point, voice_activity=VoiceActivity(enabled=asked))
    options = voice_activity_options(config)
    assert (options.enabled, options.blocks) == (finds_speech, blocks)
