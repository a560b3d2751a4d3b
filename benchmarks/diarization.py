"""How well voices are told apart: the diarization error rate, and the share of words that get the right speaker.

    python -m benchmarks.diarization --speech FOLDER [--model base] [--threads 1]

Each recording NAME.wav of FOLDER that has a NAME.rttm (who speaks when) and a NAME.stm (who says what, segment by
segment) beside it is measured, through the service's own children; `make diarization` installs what it needs. Words are
recognised in English with a beam of five. The error rate is that of pyannote.metrics with a collar of 0.25 s in all,
overlapping speech scored: of the diarizer's turns alone, and of the transcript's segments once they are cut where
speakers change. A word is right that has the speaker whose segment of the STM lies nearest to its middle; speakers are
matched with those of the reference as the words fall best.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from pyannote.core import Annotation
from pyannote.core import Segment as Span
from pyannote.metrics.diarization import DiarizationErrorRate

from batchscribe_server.domain.model import Model
from batchscribe_server.domain.recognition import Diarization, DiarizationMode, OperatingPoint, RecognitionConfig
from batchscribe_server.domain.speakers import SpeakerTurn, with_speakers
from batchscribe_server.domain.transcript import Segment, Word
from batchscribe_server.domain.turns import in_turns
from batchscribe_server.operations.diarizer import DiarizationRequest
from batchscribe_server.operations.transcriber import HeardSegment, TranscriptionRequest
from batchscribe_server.transcriber import LocalTranscriber, TranscriberConfig
from batchscribe_server.transcriber.commands import DiarizerOptions, diarizer_argv
from batchscribe_server.transcriber.diarizer import DiarizerConfig, LocalDiarizer
from benchmarks.model import resolve

COLLAR_S = 0.25

Stretch = tuple[float, float, str]
"""Start and end in seconds, and who speaks."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one recording gave."""

    name: str
    took_s: float
    turns_error: float
    segments_error: float
    speakers: int
    right_words: int
    words: int


def main() -> None:
    """Measure every recording and print a table."""
    arguments = _arguments()
    recordings = [rttm.with_suffix(".wav") for rttm in sorted(arguments.speech.glob("*.rttm"))]
    if not recordings:
        raise SystemExit("No recording of the folder has an RTTM file beside it.")
    model = resolve(arguments.model)
    print(
        "| recording | diarized in | DER, turns alone | DER, segments | speakers found | words of the right speaker |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for figures in asyncio.run(_measured(recordings, model, arguments.threads)):
        share = figures.right_words / max(1, figures.words)
        print(
            f"| {figures.name} | {figures.took_s:.1f} s | {figures.turns_error:.1%} | {figures.segments_error:.1%} "
            f"| {figures.speakers} | {figures.right_words} of {figures.words} ({share:.1%}) |"
        )


async def _measured(recordings: Sequence[Path], model: Model, threads: int) -> list[Figures]:
    config = DiarizerConfig(argv=diarizer_argv(DiarizerOptions(threads=threads)))
    async with LocalTranscriber(TranscriberConfig()) as transcriber, LocalDiarizer(config) as diarizer:
        await diarizer.speakers(_request(recordings[0]))  # starts the child, and compiles what is compiled once
        return [await _figures(recording, model, transcriber, diarizer) for recording in recordings]


async def _figures(path: Path, model: Model, transcriber: LocalTranscriber, diarizer: LocalDiarizer) -> Figures:
    began_s = time.perf_counter()
    turns = await diarizer.speakers(_request(path))
    took_s = time.perf_counter() - began_s
    segments = in_turns(with_speakers(await _heard(path, model, transcriber), turns))
    reference = _stretches(path.with_suffix(".rttm"), first=3, second=4, who=7, second_is_length=True)
    said = _stretches(path.with_suffix(".stm"), first=3, second=4, who=2, second_is_length=False)
    words = [word for segment in segments for word in segment.words]
    return Figures(
        name=path.stem,
        took_s=took_s,
        turns_error=_error_rate(reference, [_of_turn(turn) for turn in turns]),
        segments_error=_error_rate(reference, [_of_segment(segment) for segment in segments]),
        speakers=len({turn.speaker for turn in turns}),
        right_words=_right(words, said),
        words=len(words),
    )


def _request(path: Path) -> DiarizationRequest:
    return DiarizationRequest(path.stem, os.open(path, os.O_RDONLY), Diarization(DiarizationMode.SPEAKER))


async def _heard(path: Path, model: Model, transcriber: LocalTranscriber) -> list[Segment]:
    config = RecognitionConfig(operating_point=OperatingPoint.ENHANCED)
    request = TranscriptionRequest(path.stem, os.open(path, os.O_RDONLY), model, config, language="en", word_times=True)
    async with aclosing(transcriber.transcribe(request)) as events:
        return [
            Segment(event.index, event.start_ms, event.end_ms, event.text, words=event.words)
            async for event in events
            if isinstance(event, HeardSegment) and event.text
        ]


def _of_turn(turn: SpeakerTurn) -> Stretch:
    return turn.start_ms / 1000, turn.end_ms / 1000, str(turn.speaker)


def _of_segment(segment: Segment) -> Stretch:
    """From the first word to the last: a segment reaches into the silence around them."""
    first, last = segment.words[0], segment.words[-1]
    return first.start_ms / 1000, max(first.start_ms + 1, last.end_ms) / 1000, segment.speaker


def _stretches(path: Path, *, first: int, second: int, who: int, second_is_length: bool) -> list[Stretch]:
    """The lines of an RTTM or STM file, which differ in their columns."""
    stretches = []
    for line in path.read_text(encoding="utf-8").splitlines():
        columns = line.split()
        start_s = float(columns[first])
        end_s = float(columns[second]) + (start_s if second_is_length else 0.0)
        stretches.append((start_s, end_s, columns[who]))
    return stretches


def _error_rate(reference: Sequence[Stretch], found: Sequence[Stretch]) -> float:
    return float(DiarizationErrorRate(collar=COLLAR_S)(_annotation(reference), _annotation(found)))


def _annotation(stretches: Sequence[Stretch]) -> Annotation:
    annotation = Annotation()
    for number, (start_s, end_s, who) in enumerate(stretches):
        annotation[Span(start_s, end_s), number] = who
    return annotation


def _right(words: Sequence[Word], said: Sequence[Stretch]) -> int:
    """How many words have the right speaker, when speakers are matched as best they can be."""
    pairs = Counter((word.speaker, _who_said(word, said)) for word in words)
    found = sorted({speaker for speaker, _ in pairs if speaker})
    known = sorted({who for _, _, who in said})
    unmatched = [""] * max(0, len(found) - len(known))
    return max(
        sum(pairs[pair] for pair in zip(found, names, strict=False))
        for names in itertools.permutations([*known, *unmatched])
    )


def _who_said(word: Word, said: Sequence[Stretch]) -> str:
    middle_s = (word.start_ms + word.end_ms) / 2000
    _, _, who = min(said, key=lambda stretch: max(stretch[0] - middle_s, middle_s - stretch[1]))
    return who


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.diarization", description=__doc__)
    parser.add_argument("--speech", type=Path, required=True, help="the folder of recordings")
    parser.add_argument("--model", default="base", help="what recognises the words")
    parser.add_argument("--threads", type=int, default=1, help="the diarizer's threads")
    return parser.parse_args()


if __name__ == "__main__":
    main()
