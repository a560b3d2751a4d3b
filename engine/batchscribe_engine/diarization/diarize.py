"""One task of the diarizer: a file in, its turns out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchscribe_engine.diarization.sound import Sound
from batchscribe_engine.media.failure import MediaError, TaskCancelledError
from batchscribe_engine.messages import DiarizationDone, DiarizationFailed, VoiceTurn

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchscribe_engine.diarization.voices import Voices
    from batchscribe_engine.messages import DiarizeTask


def diarize(
    task: DiarizeTask, voices: Voices, checkpoint: Callable[[int], None]
) -> DiarizationDone | DiarizationFailed:
    """Run `task` to its last message, which is returned.

    `checkpoint` is called with the milliseconds decoded so far, about once for each second of them and before each step
    that takes long, and may raise TaskCancelledError.
    """
    try:
        return DiarizationDone(task.task_id, tuple(_turns(task, voices, checkpoint)))
    except MediaError as error:
        return DiarizationFailed(task.task_id, error.reason, error.message)
    except TaskCancelledError:
        return DiarizationFailed(task.task_id, "CANCELLED", "The job was cancelled.")
    except MemoryError:
        return DiarizationFailed(task.task_id, "OUT_OF_MEMORY", "It takes more memory than the diarizer may use.")


def _turns(task: DiarizeTask, voices: Voices, checkpoint: Callable[[int], None]) -> list[VoiceTurn]:
    sound = Sound(task, checkpoint)
    recordings = {channel: voices.recording() for channel in sound.channels()}
    for portion in sound.portions():
        for channel, recording in recordings.items():
            checkpoint(sound.decoded_ms)
            recording.hear(portion[channel or 0])
    first_ms = sound.first_ms
    turns: list[VoiceTurn] = []
    for channel, recording in recordings.items():
        checkpoint(sound.decoded_ms)
        turns += (
            VoiceTurn(
                first_ms + round(1000 * stretch.start_s), first_ms + round(1000 * stretch.end_s), stretch.voice, channel
            )
            for stretch in recording.stretches(task.min_speakers, task.max_speakers)
        )
    return turns
