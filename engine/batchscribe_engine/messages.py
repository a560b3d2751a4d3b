"""The whole vocabulary between the server and its child processes.

Every message is a small frozen struct that travels as one length-prefixed MessagePack frame over a socket pair
(see `channel`). Audio never travels here: a message names a slot of the shared arena (see `arena`). Frames are
decoded against these types, so a child that has gone bad can send nothing but these.

Times are in samples of 16 kHz mono where exactness matters and in milliseconds elsewhere; names carry the unit.
"""

from __future__ import annotations

import msgspec

SAMPLE_RATE_HZ = 16_000
"""The rate of all audio in the arena."""

MAX_SEGMENT_S = 30
"""The longest speech segment, in seconds: one Whisper window, and the size of one slot."""

MAX_SEPARATE_CHANNELS = 9
"""The most channels that are heard apart."""

MAX_HELD_S = 64
"""How much of a file a media worker may hold back, in seconds: two segments that are not cut yet and the pause between.

All speech that ended earlier than this before what is decoded was sent.
"""


class Message(msgspec.Struct, frozen=True, tag=True):
    """A message between the server and a child."""


# options


class VoiceActivityOptions(msgspec.Struct, frozen=True):
    """How speech is found and cut into segments.

    `threshold` is the Silero probability above which a 32 ms frame counts as speech. `join_s` is how long a segment
    may grow by joining speech across pauses; no segment exceeds `MAX_SEGMENT_S`. With `enabled` false the audio is
    cut into segments of at most `join_s` at its quietest points, and nothing is left out; with `blocks` as well it is
    cut into blocks as long as a slot, wherever that falls: what is heard in sequence needs no good cuts.
    """

    enabled: bool = True
    blocks: bool = False
    threshold: float = 0.5
    min_silence_ms: int = 160
    min_speech_ms: int = 0
    speech_pad_ms: int = 400
    join_s: float = 15.0


class DecodeOptions(msgspec.Struct, frozen=True):
    """How the model decodes; all segments of one batch share these.

    `temperatures` are tried in order, the first one with `beam_size`, while a result looks wrong. Detection chooses
    among `candidate_languages`, or among all where that is empty. Without a `length_penalty` the search is for the
    text of the highest probability; see `Whisper.generate`.
    """

    task: str = "transcribe"  # or "translate"
    beam_size: int = 1
    temperatures: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    word_times: bool = False
    initial_prompt: str = ""
    hotwords: str = ""
    candidate_languages: tuple[str, ...] = ()
    length_penalty: float | None = None
    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0
    compression_ratio_threshold: float = 2.4
    log_prob_threshold: float = -1.0
    no_speech_threshold: float = 0.6


class ModelSpec(msgspec.Struct, frozen=True):
    """A model on disk: a CTranslate2 Whisper folder.

    `window_margin_s` is how much longer than the segment the encoder's window is; None means the full 30 s window.
    """

    name: str
    path: str
    window_margin_s: float | None = None


class FileTask(Message, frozen=True):
    """Work on one local file, open for reading.

    The file itself travels with the message (see `channel`): `descriptor` is its number in the process that has the
    message. Who receives it closes it. Its offset is shared with all who have the file open, so it is read by position.
    """

    task_id: int
    descriptor: int


# server → media worker


class TranscodeTask(FileTask, frozen=True):
    """Decode one local file from its first speech segment on, or from `first_segment` after an interrupted run.

    Segmentation depends on nothing but the file and the options, so segment numbers mean the same in every run:
    segments before `first_segment` are found again but neither ask for a slot nor are sent. `file_name` is what the
    file is called where it came from: of some formats its suffix is the only sign.
    What lies before `start_ms`, rounded down to 10 ms, or after `end_ms`, if that is not 0, is decoded but not heard.
    With `separate_channels` each channel is cut into segments of its own, which come in order of their starts, and of
    channels that sound the same only the first; otherwise all are mixed down to one.
    """

    voice_activity: VoiceActivityOptions
    first_segment: int = 0
    max_duration_ms: int = 0  # 0: no limit
    file_name: str = ""
    start_ms: int = 0
    end_ms: int = 0
    separate_channels: bool = False


class SlotGranted(Message, frozen=True):
    """The answer to `SlotWanted`: the worker may fill `slot`, writing `generation` into its header."""

    task_id: int
    slot: int
    generation: int


class CancelTask(Message, frozen=True):
    """Stop the task; the worker answers with `MediaFailed(reason="CANCELLED")`, or has already ended it."""

    task_id: int


# media worker → server


class WorkerReady(Message, frozen=True):
    """The handshake of a media worker, once its libraries and its voice activity model are loaded."""

    pid: int


class MediaOpened(Message, frozen=True):
    """The file is media with an audio stream. `duration_ms` is what the container declares, 0 when it does not.

    `same_sound_as` names for each channel the first that has the very same sound, itself for most; it is empty where
    channels are mixed down.
    """

    task_id: int
    container: str
    codec: str
    sample_rate_hz: int
    channels: int
    duration_ms: int
    same_sound_as: tuple[int, ...] = ()


class SlotWanted(Message, frozen=True):
    """The worker has a speech segment and waits for a slot to put it in."""

    task_id: int


class SegmentReady(Message, frozen=True):
    """A speech segment lies in `slot`. `start_sample` counts from the start of the file; `samples` is its length.

    `channel` is the one it is heard in, None where channels are mixed down.
    """

    task_id: int
    index: int
    slot: int
    generation: int
    start_sample: int
    samples: int
    channel: int | None = None


class MediaProgress(Message, frozen=True):
    """A sign of life while decoding: so much of the file has been decoded and searched for speech."""

    task_id: int
    decoded_ms: int


class MediaFinished(Message, frozen=True):
    """The file is done. Slots granted and not filled fall back to the server. `speech_ms` is summed over the channels.

    `warning` is empty, or says in plain words what could not be decoded (a corrupt tail) though the rest was heard.
    """

    task_id: int
    duration_ms: int
    speech_ms: int
    segments: int
    warning: str = ""


class MediaFailed(Message, frozen=True):
    """The file cannot be used. `reason` is one of the stable reasons of a job's error, `message` plain words."""

    task_id: int
    reason: str
    message: str


# server → inference process


class SegmentTask(msgspec.Struct, frozen=True):
    """One speech segment to transcribe. An empty `language` asks for detection. `prompt` is previous text.

    `language_check` asks for the likeliest languages beside a given one, which the segment is decoded in all the same:
    "always", or where the result is "doubted", which text in a wrong language mostly is.
    """

    segment_id: int
    slot: int
    generation: int
    samples: int
    language: str = ""
    prompt: str = ""
    language_check: str = ""


class InferBatch(Message, frozen=True):
    """Transcribe these segments with one model and one set of options. At most one answer comes for each batch."""

    batch_id: int
    model: ModelSpec
    options: DecodeOptions
    segments: tuple[SegmentTask, ...]


class SlotSpan(msgspec.Struct, frozen=True):
    """A part of a slot's sound: `samples` of it from its `first_sample` on."""

    slot: int
    generation: int
    first_sample: int
    samples: int


class Context(msgspec.Struct, frozen=True):
    """What one window of a recording hands on to the next.

    `tokens` are the last of the text before, timestamps and all; `spoken_until_s` is where its last word ended, from
    the recording's beginning; `loudest` is the highest log-mel feature so far.
    """

    tokens: tuple[int, ...] = ()
    spoken_until_s: float = 0.0
    loudest: float = -1.5  # that of digital silence, which nothing lies below


class WindowTask(msgspec.Struct, frozen=True):
    """A window of a recording that is heard in sequence, each window from where the model left the one before.

    It is `frames` frames of 10 ms long, at most 30 s, from the recording's `start_frame` on. `spans` hold its sound in
    order: from `lead_frames` before it to a frame after it, since the analysis of a frame reaches into its neighbours,
    or to the recording's end (`at_end`). Without a `context` the window is the first; an empty `language` asks for
    detection.
    """

    segment_id: int
    spans: tuple[SlotSpan, ...]
    start_frame: int
    lead_frames: int
    frames: int
    at_end: bool
    language: str = ""
    context: Context | None = None


class InferWindow(Message, frozen=True):
    """Transcribe one window of a recording that is heard in sequence. Answered by `WindowDone`, or as a batch is."""

    batch_id: int
    model: ModelSpec
    options: DecodeOptions
    window: WindowTask


class Shutdown(Message, frozen=True):
    """Finish what runs, then exit. Sent to any kind of child."""


# inference process → server


class EngineReady(Message, frozen=True):
    """The handshake of the inference process.

    `concurrency` batches are worked on at once and `queue_depth` more should wait in it, so that the device never does.
    A batch may have so many segments, and so many seconds of audio padded to its longest segment.
    """

    pid: int
    device: str  # "cpu" or "cuda:0"
    compute_type: str
    concurrency: int
    queue_depth: int = 1
    max_batch_segments: int = 16
    max_batch_padded_s: float = 160.0


class BatchStarted(Message, frozen=True):
    """The device has begun the batch: its deadline runs. The model is loaded and the slots are read by now."""

    batch_id: int


class Word(msgspec.Struct, frozen=True):
    """A word with its punctuation. Times in milliseconds from the start of the segment; probability 0 to 1."""

    text: str
    start_ms: int
    end_ms: int
    probability: float


class SegmentResult(msgspec.Struct, frozen=True):
    """What was heard in one segment; `text` is empty where nothing was said.

    `language_candidates` holds the likeliest languages when detection or a check was asked for, best first. `decoding`
    tells which attempt gave the result: "short", "long" (a longer window), "full" (30 s) or "fallback" (a higher
    temperature); "none" for digital silence, which no model is asked about. `doubts` are the checks that fired, as
    pairs of the attempt and the check ("repetitive", "improbable", "too_long", "too_short", "language_unsure";
    "stopped_early" where speech that came long after the last word was heard by itself, and its text put behind;
    "silence" where the attempt's text was dropped for it; "repeats_hints" where its text was of the prompt or the
    hotwords and nothing was heard without them), in the order of the attempts; each higher temperature is a "fallback"
    of its own. The doubts of what was heard by itself follow.
    """

    segment_id: int
    text: str
    words: tuple[Word, ...] = ()
    language: str = ""
    language_candidates: tuple[tuple[str, float], ...] = ()
    avg_log_prob: float = 0.0
    no_speech_prob: float = 0.0
    compression_ratio: float = 0.0
    temperature: float = 0.0
    decoding: str = "short"
    doubts: tuple[tuple[str, str], ...] = ()


class BatchDone(Message, frozen=True):
    """The results of a batch, one for each segment, in the batch's order. `elapsed_s` leaves the model's load out."""

    batch_id: int
    results: tuple[SegmentResult, ...]
    elapsed_s: float


class Passage(msgspec.Struct, frozen=True):
    """A stretch of text as the model timed it. Its times and its words' count from the recording's beginning."""

    text: str
    start_ms: int
    end_ms: int
    words: tuple[Word, ...] = ()


class WindowResult(SegmentResult, frozen=True):
    """What was heard in one window: `text` is that of its `passages`, and the next window begins at `next_frame`.

    After digital silence the `context` is the one the window came with, and the language may still be unknown.
    """

    passages: tuple[Passage, ...] = ()
    next_frame: int = 0
    context: Context | None = None


class WindowDone(Message, frozen=True):
    """The result of a window. `elapsed_s` leaves the model's load out."""

    batch_id: int
    result: WindowResult
    elapsed_s: float

    @property
    def results(self) -> tuple[SegmentResult, ...]:
        """The same as a batch's."""
        return (self.result,)


class BatchFailed(Message, frozen=True):
    """The batch as a whole could not be run: MODEL_UNAVAILABLE, INFERENCE_OUT_OF_MEMORY or INFERENCE_FAILED."""

    batch_id: int
    reason: str
    message: str


class BatchSizeLearned(Message, frozen=True):
    """From now on batches for this model and beam should have no more padded audio than this; see `Appetite`."""

    model_path: str
    beam_size: int
    max_padded_s: float


class LoadedModel(msgspec.Struct, frozen=True):
    """A model that is in memory, with an estimate of what it takes."""

    name: str
    path: str
    memory_bytes: int


class EngineStatus(Message, frozen=True):
    """The heartbeat of the inference process, about every second, from a thread of its own."""

    resident_bytes: int
    loading: str = ""  # the name of a model that is being loaded
    models: tuple[LoadedModel, ...] = ()


# server → diarizer


class DiarizeTask(FileTask, frozen=True):
    """Tell the voices of one local file apart. Name, limit, offsets and channels are as for `TranscodeTask`.

    Each channel that is heard apart has voices of its own, and `min_speakers` and `max_speakers` are for each of them;
    0 leaves the number open.
    """

    file_name: str = ""
    max_duration_ms: int = 0  # of the part that is heard; 0: no limit
    start_ms: int = 0
    end_ms: int = 0
    separate_channels: bool = False
    min_speakers: int = 0
    max_speakers: int = 0


# diarizer → server


class DiarizerReady(Message, frozen=True):
    """The handshake of the diarizer, once its models are loaded."""

    pid: int


class DiarizationProgress(Message, frozen=True):
    """A sign of life: so much of the file's sound was decoded, counting what is decoded twice or not heard."""

    task_id: int
    decoded_ms: int


class VoiceTurn(msgspec.Struct, frozen=True):
    """A stretch of one voice, in milliseconds of the file. Voices are numbered in any order, in each channel anew."""

    start_ms: int
    end_ms: int
    voice: int
    channel: int | None = None


class DiarizationDone(Message, frozen=True):
    """Who speaks when: all turns of the file."""

    task_id: int
    turns: tuple[VoiceTurn, ...]


class DiarizationFailed(Message, frozen=True):
    """The voices can't be told apart. `reason` is MEDIA_TOO_LONG, CANCELLED, or anything else that went wrong."""

    task_id: int
    reason: str
    message: str


ToMediaWorker = TranscodeTask | SlotGranted | CancelTask | Shutdown
FromMediaWorker = WorkerReady | MediaOpened | SlotWanted | SegmentReady | MediaProgress | MediaFinished | MediaFailed
ToEngine = InferBatch | InferWindow | Shutdown
ToDiarizer = DiarizeTask | CancelTask | Shutdown
FromDiarizer = DiarizerReady | DiarizationProgress | DiarizationDone | DiarizationFailed
FromEngine = EngineReady | BatchStarted | BatchDone | WindowDone | BatchFailed | BatchSizeLearned | EngineStatus
