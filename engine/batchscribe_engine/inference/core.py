"""The step of the engine, apart from its process: a batch of segments in, their results out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from batchscribe_engine.inference.decoder import Decoder
from batchscribe_engine.inference.encoded_window import Utterance
from batchscribe_engine.inference.errors import OutOfMemoryError
from batchscribe_engine.messages import InferBatch, SegmentResult, SegmentTask

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from batchscribe_engine.arena import Arena
    from batchscribe_engine.inference.whisper import Whisper
    from batchscribe_engine.inference.windows import Mel

SILENT_PEAK = 4
"""In steps of 16 bits: 78 dB below full scale, which is dither."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def transcribe(batch: InferBatch, arena: Arena, whisper: Whisper) -> tuple[SegmentResult, ...]:
    """What was heard in each segment of the batch, in the batch's order; `whisper` is the batch's model.

    Raises StaleSlotError for a slot that changed hands, OutOfMemoryError when not even one segment fits,
    InferenceError for a language that the model does not know.
    """
    results: dict[int, SegmentResult] = {}
    utterances: list[Utterance] = []
    for task in batch.segments:
        mel = heard_features(task, arena, whisper)
        if mel is None:
            results[task.segment_id] = SegmentResult(
                task.segment_id, "", language=task.language, no_speech_prob=1.0, decoding="none"
            )
        else:
            utterances.append(Utterance(task, mel))
    if utterances:
        decoder = Decoder(whisper, batch.options, batch.model.window_margin_s)
        heard = in_halves(decoder.transcribe, utterances)
        results.update((result.segment_id, result) for result in heard)
    return tuple(results[task.segment_id] for task in batch.segments)


def heard_features(task: SegmentTask, arena: Arena, whisper: Whisper) -> Mel | None:
    """The log-mel features of a segment, read from its slot, or None where it holds digital silence.

    Raises StaleSlotError.
    """
    samples = arena.read(task.slot, task.generation)[: task.samples]
    mel = None if is_digital_silence(samples) else whisper.features(samples)
    arena.read(task.slot, task.generation)  # or else somebody wrote to the slot meanwhile
    return mel


def is_digital_silence(samples: npt.NDArray[np.int16]) -> bool:
    """Whether int16 samples hold nothing that could be speech: a model would invent some."""
    return not samples.size or max(int(samples.max()), -int(samples.min())) <= SILENT_PEAK


def in_halves(run: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item]) -> list[Result]:
    """Run all items at once, or where memory runs out in halves, down to single ones.

    Raises OutOfMemoryError when a single one does not fit.
    """
    try:
        return run(items)
    except OutOfMemoryError:
        if len(items) == 1:
            raise
    # Not inside the handler: the exception's frames hold the memory that the halves need.
    middle = len(items) // 2
    return in_halves(run, items[:middle]) + in_halves(run, items[middle:])
