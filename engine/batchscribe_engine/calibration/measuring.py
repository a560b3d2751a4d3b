"""A whole calibration: every segment of the speech, in every variant, with every margin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from batchscribe_engine.calibration.figures import Measured
from batchscribe_engine.calibration.hearing import segments_of
from batchscribe_engine.calibration.policy import MIN_SEGMENTS, MIN_SPEECH_S, is_enough
from batchscribe_engine.calibration.tally import Tally
from batchscribe_engine.calibration.trial import Trial, Trials
from batchscribe_engine.calibration.variants import VARIANTS
from batchscribe_engine.calibration.word_errors import words
from batchscribe_engine.inference.encoded_window import Utterance
from batchscribe_engine.media.failure import MediaError
from batchscribe_engine.messages import SAMPLE_RATE_HZ, SegmentTask

if TYPE_CHECKING:
    from batchscribe_engine.calibration.speech_folder import Recording
    from batchscribe_engine.inference.whisper import Device, Whisper
    from batchscribe_engine.media.segment import Segment
    from batchscribe_engine.media.voice_activity import SileroModel


class SpeechError(Exception):
    """The speech can't be calibrated on; `reason` is stable, the message plain words."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Speech:
    """The recordings that can be used, and how much speech is in them. Nothing of them is kept in memory."""

    def __init__(self, recordings: Sequence[Recording], silero: SileroModel, say: Callable[[str], None]) -> None:
        """Hear all recordings once; `say` is told what is left out.

        Raises SpeechError: SPEECH_UNREADABLE for a recording that has a reference and can't be decoded (without one it
        is left out), SPEECH_TOO_LITTLE.
        """
        self.silero = silero
        self.recordings: list[Recording] = []
        self.segments = 0
        self.speech_s = 0.0
        for recording in recordings:
            try:
                lengths = [segment.samples.size for segment in segments_of(recording.path, silero)]
            except MediaError as error:
                if recording.text is not None:
                    raise SpeechError("SPEECH_UNREADABLE", f"{recording.path.name}: {error.message}") from error
                say(f"left out: {recording.path.name}: {error.message}")
                continue
            self.recordings.append(recording)
            self.segments += len(lengths)
            self.speech_s += sum(lengths) / SAMPLE_RATE_HZ
        if not is_enough(self.segments, self.speech_s):
            raise SpeechError(
                "SPEECH_TOO_LITTLE",
                f"there are {self.segments} segments with {self.speech_s:.0f} s of speech: to calibrate on, at least "
                f"{MIN_SEGMENTS} and {MIN_SPEECH_S:.0f} s are needed; with several minutes the result is better",
            )


class Calibration:
    """Measures margins with one model and one language, or detecting it for an empty one."""

    def __init__(
        self,
        whisper: Whisper,
        device: Device,
        *,
        beam_size: int,
        language: str,
        margins_s: Sequence[float],
        variants: Sequence[str],
        say: Callable[[str], None],
    ) -> None:
        self._whisper = whisper
        self._device = device
        self._beam_size = beam_size
        self._language = language
        self._trials = Trials(whisper, device, beam_size=beam_size)
        self._margins: dict[float, Tally] = {margin_s: Tally(margin_s) for margin_s in sorted(set(margins_s))}
        self._full = Tally("full")
        self._variants = list(variants)
        self._words = 0
        self._say = say

    def measure(self, speech: Speech) -> Measured:
        """The figures of all margins. Takes minutes. Raises SpeechError NO_WORDS, OutOfMemoryError, InferenceError."""
        for number, recording in enumerate(speech.recordings, 1):
            for segment in segments_of(recording.path, speech.silero):
                self._try(segment)
            self._end(recording)
            self._say(f"{number} of {len(speech.recordings)} recordings")
        if not self._words:
            raise SpeechError("NO_WORDS", "no words are said in the recordings, so there are no errors to be counted")
        total_s = speech.speech_s * len(self._variants)
        return Measured(
            device=self._device.name,
            compute_type=self._device.compute_type,
            beam_size=self._beam_size,
            language=self._language,
            has_references=all(recording.text is not None for recording in speech.recordings),
            recordings=len(speech.recordings),
            segments=speech.segments,
            speech_s=round(speech.speech_s, 1),
            words=self._words,
            variants=tuple(self._variants),
            margins=tuple(tally.figures(self._words, total_s) for tally in self._margins.values()),
            full=self._full.figures(self._words, total_s),
        )

    def _try(self, segment: Segment) -> None:
        utterances = [self._utterance(segment, variant) for variant in self._variants]
        in_full_windows = self._tried(utterances, None)
        self._full.add_segment(in_full_windows, in_full_windows)
        for margin_s, tally in self._margins.items():
            tally.add_segment(self._tried(utterances, margin_s), in_full_windows)

    def _tried(self, utterances: Sequence[Utterance], margin_s: float | None) -> list[Trial]:
        return [self._trials.run(utterance, margin_s) for utterance in utterances]

    def _utterance(self, segment: Segment, variant: str) -> Utterance:
        samples = VARIANTS[variant](segment.samples)
        task = SegmentTask(segment_id=0, slot=0, generation=0, samples=samples.size, language=self._language)
        return Utterance(task, self._whisper.features(samples))

    def _end(self, recording: Recording) -> None:
        # Without references what is heard in full windows stands for what is said.
        said = self._full.heard() if recording.text is None else [recording.text] * len(self._variants)
        self._words += sum(len(words(text)) for text in said)
        for tally in (self._full, *self._margins.values()):
            tally.end_recording(said)
