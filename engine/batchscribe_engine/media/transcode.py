"""One task of a media worker: a file in, its speech segments into slots of the arena."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from batchscribe_engine.media.decoder import MediaFile
from batchscribe_engine.media.excerpt import Excerpt, refuse_longer
from batchscribe_engine.media.failure import MediaError, TaskCancelledError
from batchscribe_engine.media.hearing import Channels, OneChannel
from batchscribe_engine.media.level import peak, sound_without_speech
from batchscribe_engine.media.segment import FRAME_SAMPLES
from batchscribe_engine.media.timeline import clock
from batchscribe_engine.media.tracks import open_media
from batchscribe_engine.messages import (
    SAMPLE_RATE_HZ,
    MediaFailed,
    MediaFinished,
    MediaOpened,
    MediaProgress,
    SegmentReady,
    SlotWanted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import numpy.typing as npt

    from batchscribe_engine.arena import Arena
    from batchscribe_engine.media.segment import Segment
    from batchscribe_engine.media.voice_activity import SileroModel
    from batchscribe_engine.messages import Message, SlotGranted, TranscodeTask

BATCH_SAMPLES = 64 * FRAME_SAMPLES
"""How much the voice activity model hears at once: about two seconds. More would cost hardly less per second."""

PROGRESS_EACH_S = 1.0
PROGRESS_EACH_AUDIO_MS = 60_000


def transcode(
    task: TranscodeTask,
    *,
    arena: Arena,
    model: SileroModel,
    grant_slot: Callable[[], SlotGranted],
    send: Callable[[Message], None],
    checkpoint: Callable[[int], None] = lambda decoded_ms: None,
) -> None:
    """Run `task` to its one last message, MediaFinished or MediaFailed.

    `grant_slot` waits for the answer to a SlotWanted that was just sent. `checkpoint` is called with the milliseconds
    decoded so far, those that are decoded twice counted twice, first with none and then about every two seconds of
    sound at least. Either may raise TaskCancelledError.
    """
    try:
        _Transcoding(task, arena=arena, model=model, grant_slot=grant_slot, send=send, checkpoint=checkpoint).run()
    except MediaError as error:
        send(MediaFailed(task.task_id, error.reason, error.message))
    except TaskCancelledError:
        send(MediaFailed(task.task_id, "CANCELLED", "The job was cancelled."))
    except MemoryError:
        send(
            MediaFailed(
                task.task_id,
                "DECODE_FAILED",
                "Decoding the file takes more memory than a media worker may use. The file is probably damaged; "
                "convert it, for example to FLAC, and send it again.",
            )
        )


class _Transcoding:
    def __init__(
        self,
        task: TranscodeTask,
        *,
        arena: Arena,
        model: SileroModel,
        grant_slot: Callable[[], SlotGranted],
        send: Callable[[Message], None],
        checkpoint: Callable[[int], None],
    ) -> None:
        self._task = task
        self._arena = arena
        self._model = model
        self._grant_slot = grant_slot
        self._send = send
        self._checkpoint = checkpoint
        self._excerpt = Excerpt(task, self._on_decoded)
        self._speech_samples = 0
        self._segments = 0
        self._peak = 0
        self._told_at_s = time.monotonic()
        self._told_ms = 0

    def run(self) -> None:
        task, excerpt = self._task, self._excerpt
        self._checkpoint(0)
        with open_media(task.descriptor, task.file_name) as media:
            info = media.info
            if 0 < task.max_duration_ms < info.duration_ms:
                self._refuse_longer(media)
            alike = excerpt.channels_alike() if task.separate_channels else ()
            self._send(
                MediaOpened(
                    task.task_id,
                    info.container,
                    info.codec,
                    info.sample_rate_hz,
                    info.channels,
                    info.duration_ms,
                    same_sound_as=alike,
                )
            )
            if task.separate_channels:
                self._hear_apart(media, alike)
            else:
                self._hear(media)
            if not excerpt.decoded_samples:
                raise _nothing_heard(media)
            if excerpt.decoded_samples <= excerpt.first_sample:
                raise MediaError(
                    "NO_AUDIO",
                    f"The file ends at {clock(excerpt.decoded_ms / 1000)}, before the start_offset asked for.",
                )
            self._send(
                MediaFinished(
                    task.task_id,
                    duration_ms=excerpt.decoded_ms,
                    speech_ms=1000 * self._speech_samples // SAMPLE_RATE_HZ,
                    segments=self._segments,
                    warning=self._warning(media),
                )
            )

    def _warning(self, media: MediaFile) -> str:
        problems = [media.damage if self._excerpt.at_end else media.warning, media.unread_tracks]
        if not self._segments:
            problems.append(sound_without_speech(self._peak))
        return " ".join(filter(None, problems))

    def _refuse_longer(self, media: MediaFile) -> None:
        """Refuse a file that is longer than allowed, before any of it is transcribed: by its packets if all there is is
        a guess.
        """
        length_ms = media.info.duration_ms
        if not media.states_duration:
            with open_media(self._task.descriptor, self._task.file_name) as counted:
                length_ms = counted.packets_ms()
        refuse_longer("file", length_ms, self._task.max_duration_ms)

    def _hear(self, media: MediaFile) -> None:
        channel = OneChannel(self._model, self._task.voice_activity)
        for portion in batches(self._excerpt.of(media.blocks())):
            self._peak = max(self._peak, peak(portion))
            self._deliver((None, segment) for segment in channel.push(portion))
            self._tell_progress()
        self._deliver((None, segment) for segment in channel.finish())

    def _hear_apart(self, media: MediaFile, alike: Sequence[int]) -> None:
        channels = Channels(self._model, self._task.voice_activity, sorted(set(alike)))
        for portion in batches(self._excerpt.of(media.channel_blocks())):
            self._peak = max(self._peak, peak(portion))
            self._deliver(channels.push(portion))
            self._tell_progress()
        self._deliver(channels.finish())

    def _on_decoded(self) -> None:
        refuse_longer("file", self._excerpt.decoded_ms, self._task.max_duration_ms)
        self._checkpoint(self._excerpt.work_ms)
        if self._excerpt.decoded_samples <= self._excerpt.first_sample:
            self._tell_progress()

    def _deliver(self, segments: Iterable[tuple[int | None, Segment]]) -> None:
        task_id = self._task.task_id
        for channel, segment in segments:
            index = self._segments
            self._segments += 1
            self._speech_samples += segment.samples.size
            if index < self._task.first_segment:
                continue
            self._send(SlotWanted(task_id))
            grant = self._grant_slot()
            self._arena.write(grant.slot, grant.generation, segment.samples)
            self._send(
                SegmentReady(
                    task_id,
                    index,
                    grant.slot,
                    grant.generation,
                    self._excerpt.first_sample + segment.start_sample,
                    int(segment.samples.size),
                    channel,
                )
            )

    def _tell_progress(self) -> None:
        now_s, decoded_ms = time.monotonic(), self._excerpt.decoded_ms
        due = now_s - self._told_at_s >= PROGRESS_EACH_S
        if due or decoded_ms - self._told_ms >= PROGRESS_EACH_AUDIO_MS:
            self._told_at_s, self._told_ms = now_s, decoded_ms
            self._send(MediaProgress(self._task.task_id, decoded_ms))


def batches(blocks: Iterable[npt.NDArray[np.int16]]) -> Iterator[npt.NDArray[np.int16]]:
    """The same sound, of shape (n,) or (channels, n), in portions of `BATCH_SAMPLES`; the last may be shorter."""
    gathered: list[npt.NDArray[np.int16]] = []
    samples = 0
    for block in blocks:
        gathered.append(block)
        samples += block.shape[-1]
        if samples < BATCH_SAMPLES:
            continue
        joined = np.concatenate(gathered, axis=-1)
        whole = samples - samples % BATCH_SAMPLES
        yield from np.split(joined[..., :whole], whole // BATCH_SAMPLES, axis=-1)
        gathered, samples = [joined[..., whole:].copy()], samples - whole
    if samples:
        yield np.concatenate(gathered, axis=-1)


def _nothing_heard(media: MediaFile) -> MediaError:
    if media.was_guessed:
        return MediaError(
            "UNSUPPORTED_FORMAT",
            f"The file is in no format known here: some of it looks like {media.info.container}, but nothing of it can "
            "be decoded. Raw samples need a header: send them as WAV or FLAC.",
        )
    if media.promised_sound:
        return MediaError(
            "DECODE_FAILED",
            "Nothing of the file's sound could be decoded: it is damaged. Send it again from an intact original.",
        )
    return MediaError("NO_AUDIO", "The file has an audio stream, but there is no sound in it. Send a file with sound.")
