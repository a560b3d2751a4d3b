"""What a client asks for, in the words of the children."""

from __future__ import annotations

from batchscribe_engine.messages import VoiceActivityOptions
from batchscribe_server.domain.recognition import VoiceActivity
from batchscribe_server.transcriber.options import voice_activity_options


def test_what_is_left_open_follows_the_childrens_defaults() -> None:
    assert voice_activity_options(VoiceActivity()) == VoiceActivityOptions()


def test_every_option_is_handed_on() -> None:
    asked = VoiceActivity(enabled=False, threshold=0.3, min_silence_ms=0, min_speech_ms=250, speech_pad_ms=0)
    assert voice_activity_options(asked) == VoiceActivityOptions(
        enabled=False, threshold=0.3, min_silence_ms=0, min_speech_ms=250, speech_pad_ms=0
    )
