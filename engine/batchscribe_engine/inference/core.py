"""The step of the engine, apart from its process: a batch of segments in, their results out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from batchscribe_engine.inference.appetite import Appetite
from batchscribe_engine.inference.decoder import Decoder
from batchscribe_engine.inference.encoded_window import Utterance
from batchscribe_engine.inference.errors import OutOfMemoryError
from batchscribe_engine.inference.silence import is_digital_silence
from batchscribe_engine.messages import InferBatch, SegmentResult, SegmentTask

if TYPE_CHECKING:
    from batchscribe_engine.arena import Arena
    from batchscribe_engine.inference.whisper import Whisper
    from batchscribe_engine.inference.windows import Mel

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch whose slots were read. Segments without an utterance hold digital silence."""

    batch: InferBatch
    utterances: tuple[Utterance, ...]


def prepare(batch: InferBatch, arena: Arena, whisper: Whisper) -> Prepared:
    """Read the slots of a batch and compute their features: the part that needs the CPU and not the device.

    Raises StaleSlotError for a slot that changed hands.
    """
    mels = [(task, heard_features(task, arena, whisper)) for task in batch.segments]
    return Prepared(batch, tuple(Utterance(task, mel) for task, mel in mels if mel is not None))


def decode(prepared: Prepared, whisper: Whisper, appetite: Appetite) -> tuple[SegmentResult, ...]:
    """What was heard in each segment of the batch, in the batch's order; `whisper` is the batch's model.

    Raises OutOfMemoryError when not even one segment fits, InferenceError for a language that the model does not know.
    """
    batch = prepared.batch
    results = {task.segment_id: _silence(task) for task in batch.segments}
    if prepared.utterances:
        decoder = Decoder(whisper, batch.options, batch.model.window_margin_s)
        heard = in_halves(decoder.transcribe, prepared.utterances, _padded_s, appetite)
        results.update((result.segment_id, result) for result in heard)
    return tuple(results[task.segment_id] for task in batch.segments)


def transcribe(batch: InferBatch, arena: Arena, whisper: Whisper) -> tuple[SegmentResult, ...]:
    """Both parts one after the other, for a batch of any size. Raises what they raise."""
    return decode(prepare(batch, arena, whisper), whisper, Appetite(math.inf))


def heard_features(task: SegmentTask, arena: Arena, whisper: Whisper) -> Mel | None:
    """The log-mel features of a segment, read from its slot, or None where it holds digital silence.

    Raises StaleSlotError.
    """
    samples = arena.read(task.slot, task.generation)[: task.samples]
    mel = None if is_digital_silence(samples) else whisper.features(samples)
    arena.read(task.slot, task.generation)  # or else somebody wrote to the slot meanwhile
    return mel


def in_halves(
    run: Callable[[Sequence[Item]], list[Result]],
    items: Sequence[Item],
    size: Callable[[Sequence[Item]], float],
    appetite: Appetite,
) -> list[Result]:
    """Run all items at once, or in halves, down to single ones, where memory runs out or is expected to.

    `size` measures items as the appetite does, which learns from what happens. Raises OutOfMemoryError when a single
    item does not fit.
    """
    if len(items) == 1 or appetite.allows(size(items)):
        try:
            results = run(items)
        except OutOfMemoryError:
            appetite.refused(size(items))
            if len(items) == 1:
                raise
        else:
            appetite.took(size(items))
            return results
    # Not inside the handler: the exception's frames hold the memory that the halves need.
    middle = len(items) // 2
    first = in_halves(run, items[:middle], size, appetite)
    return first + in_halves(run, items[middle:], size, appetite)


def _silence(task: SegmentTask) -> SegmentResult:
    return SegmentResult(task.segment_id, "", language=task.language, no_speech_prob=1.0, decoding="none")


def _padded_s(utterances: Sequence[Utterance]) -> float:
    return max(utterance.length_s for utterance in utterances) * len(utterances)
