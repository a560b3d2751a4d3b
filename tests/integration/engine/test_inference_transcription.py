"""The engine's step on synthesised speech and real models, in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from whisper_normalizer.english import EnglishTextNormalizer

from batchscribe_engine.arena import Arena, StaleSlotError
from batchscribe_engine.inference.core import transcribe
from batchscribe_engine.inference.errors import InferenceError, ModelUnavailableError
from batchscribe_engine.inference.whisper import Device, DeviceUnavailableError, Whisper
from batchscribe_engine.messages import DecodeOptions, InferBatch, ModelSpec, SegmentResult, SegmentTask
from tests.looping_whisper import LoopingWhisper
from tests.speech import read_wav, spoken

if TYPE_CHECKING:
    import numpy.typing as npt

    Samples = npt.NDArray[np.int16]

TEXTS = (
    "Please send the report to the office before Friday afternoon.",
    "Good morning, everyone, and welcome to the meeting.",
    "We walked along the river until the sun went down, and then we took the last train home.",
)
WITH_WORDS = DecodeOptions(word_times=True)


@pytest.fixture(scope="module")
def cpu() -> Device:
    return Device.choose("cpu", "auto")


@pytest.fixture(scope="module")
def base(base_folder: Path, cpu: Device) -> Iterator[Whisper]:
    whisper = Whisper.load(str(base_folder), cpu, workers=1, threads=2)
    yield whisper
    whisper.close()


@pytest.fixture(scope="module")
def tiny_en(tiny_en_folder: Path, cpu: Device) -> Iterator[Whisper]:
    whisper = Whisper.load(str(tiny_en_folder), cpu, workers=1, threads=2)
    yield whisper
    whisper.close()


def heard(
    whisper: Whisper,
    segments: Sequence[Samples],
    options: DecodeOptions = WITH_WORDS,
    *,
    margin_s: float | None = 2.0,
    languages: Sequence[str] = (),
    prompts: Sequence[str] = (),
) -> tuple[SegmentResult, ...]:
    """The results for some segments, sent as one batch through an arena."""
    arena = Arena.create(len(segments))
    for slot, samples in enumerate(segments):
        arena.write(slot, slot + 50, samples)
    tasks = tuple(
        SegmentTask(
            segment_id=slot + 100,
            slot=slot,
            generation=slot + 50,
            samples=samples.size,
            language=languages[slot] if languages else "en",
            prompt=prompts[slot] if prompts else "",
        )
        for slot, samples in enumerate(segments)
    )
    batch = InferBatch(1, ModelSpec("model", "", margin_s), options, tasks)
    try:
        return transcribe(batch, arena, whisper)
    finally:
        arena.close()


def normalised(texts: Sequence[str]) -> list[str]:
    normalise = EnglishTextNormalizer()
    return [normalise(text) for text in texts]


def speech(texts: Sequence[str] = TEXTS) -> list[Samples]:
    return [read_wav(spoken(text)) for text in texts]


@pytest.mark.parametrize("model", ["base", "tiny_en"])
def test_what_is_said_is_heard(model: str, request: pytest.FixtureRequest) -> None:
    results = heard(request.getfixturevalue(model), speech())
    assert [result.segment_id for result in results] == [100, 101, 102]
    assert normalised([result.text for result in results]) == normalised(TEXTS)
    for result, samples in zip(results, speech(), strict=True):
        assert (result.language, result.language_candidates, result.temperature) == ("en", (), 0.0)
        assert -0.5 < result.avg_log_prob < 0
        assert " ".join(word.text for word in result.words) == result.text
        times = [time for word in result.words for time in (word.start_ms, word.end_ms)]
        assert times == sorted(times)
        assert times[0] < 400
        assert times[-1] <= samples.size / 16
        assert times[-1] > samples.size / 16 - 600, "the last word ends with the speech"
        assert all(0 < word.probability <= 1 for word in result.words)


def test_words_are_found_where_they_are_said(base: Whisper) -> None:
    pause = np.zeros(24_000, dtype=np.int16)
    first, second = speech(TEXTS[:2])
    (result,) = heard(base, [np.concatenate([first, pause, second])])
    starts = {word.text: word.start_ms for word in result.words}
    assert abs(starts["Please"] - 0) < 300
    assert abs(starts["Good"] - (first.size + pause.size) / 16) < 300


@pytest.mark.parametrize("model", ["base", "tiny_en"])
def test_a_model_that_loops_in_a_short_window_is_noticed_and_decoded_again(
    model: str, request: pytest.FixtureRequest, cpu: Device
) -> None:
    texts = (*TEXTS[:2], "She sells fresh bread and butter in a small shop by the river.")
    looping = LoopingWhisper.load(str(request.getfixturevalue(f"{model}_folder")), cpu, workers=1, threads=2)
    looping.loops_below_s = 6.0
    results = heard(looping, speech(texts), DecodeOptions(), margin_s=0.5)
    looping.close()
    assert {("short", "repetitive") in result.doubts for result in results} == {True}
    assert {result.decoding for result in results} == {"long"}
    assert normalised([result.text for result in results]) == normalised(texts)


def test_without_a_margin_the_window_is_full(tiny_en: Whisper) -> None:
    (result,) = heard(tiny_en, speech(TEXTS[:1]), margin_s=None)
    assert result.decoding == "full"
    assert normalised([result.text]) == normalised(TEXTS[:1])


def test_the_language_is_detected_for_each_segment(base: Whisper) -> None:
    results = heard(base, speech(TEXTS[:2]), languages=["", "en"])
    candidates = results[0].language_candidates
    assert results[0].language == candidates[0][0] == "en"
    assert len(candidates) == 5
    assert 0.9 < candidates[0][1] <= 1.0
    assert [probability for _, probability in candidates] == sorted((p for _, p in candidates), reverse=True)
    assert results[1].language_candidates == ()
    assert normalised([result.text for result in results]) == normalised(TEXTS[:2])


@pytest.mark.parametrize(("check", "doubted"), [("always", False), ("doubted", True), ("doubted", False), ("", True)])
def test_a_given_language_is_checked_where_that_is_asked_for(base: Whisper, check: str, doubted: bool) -> None:
    # No text is so probable.
    options = DecodeOptions(temperatures=(0.0,), log_prob_threshold=-1e-9 if doubted else -9.0)
    samples = speech(TEXTS[:1])[0]
    task = SegmentTask(1, 0, 1, samples.size, "de", language_check=check)
    arena = Arena.create(1)
    try:
        arena.write(0, 1, samples)
        (result,) = transcribe(
            InferBatch(1, ModelSpec("model", "", 2.0 if doubted else None), options, (task,)), arena, base
        )
    finally:
        arena.close()
    assert result.language == "de"
    is_checked = check == "always" or (check == "doubted" and doubted)
    assert [code for code, _ in result.language_candidates[:1]] == (["en"] if is_checked else [])


def test_a_batch_may_mix_languages(base: Whisper) -> None:
    japanese, english = heard(base, speech(TEXTS[:1]) * 2, languages=["ja", "en"])
    assert (japanese.language, english.language) == ("ja", "en")
    assert normalised([english.text]) == normalised(TEXTS[:1])
    assert japanese.text
    assert not japanese.text.isascii(), "the model was told to hear Japanese"
    assert "".join(word.text for word in japanese.words) == japanese.text
    assert " ".join(word.text for word in english.words) == english.text


def test_a_translation_has_english_words_whatever_was_heard(base: Whisper) -> None:
    text = "The hippopotamus lives in the river near Johannesburg."
    (result,) = heard(base, speech([text]), DecodeOptions(task="translate", word_times=True), languages=["ja"])
    assert result.language == "ja"
    assert result.text.isascii()
    words = [word.text for word in result.words]
    assert "".join(words) == result.text.replace(" ", "")
    # Words of several tokens are whole, as Japanese ones are not.
    assert {"lives", "river", "Johannesburg."} & set(words)
    assert len(words) <= len(result.text.split()) + 1


def test_an_english_only_model_speaks_english(tiny_en: Whisper) -> None:
    given, detected = heard(tiny_en, speech(TEXTS[:1]) * 2, languages=["de", ""])
    assert (given.language, given.language_candidates) == ("en", ())
    assert (detected.language, detected.language_candidates) == ("en", (("en", 1.0),))


def test_an_unknown_language_is_refused(base: Whisper) -> None:
    with pytest.raises(InferenceError, match="knows no language 'xx'"):
        heard(base, speech(TEXTS[:1]), languages=["xx"])


def test_hotwords_and_text_before_steer_the_spelling(base: Whisper) -> None:
    said = speech(["My name is Sara Meier."])
    (plain,) = heard(base, said)
    (hinted,) = heard(base, said, DecodeOptions(hotwords="Meier"))
    (begun,) = heard(base, said, DecodeOptions(initial_prompt="Meier."))
    (after,) = heard(base, said, prompts=["Meier."])
    assert "Meyer" in plain.text
    assert [("Meier" in result.text) for result in (hinted, begun, after)] == [True] * 3


@pytest.mark.parametrize("task", ["transcribe", "translate"])
def test_all_hints_a_detected_language_and_word_times_work_in_one_batch(base: Whisper, task: str) -> None:
    said = ["My name is Sara Meier.", *TEXTS[:2], "Sara Meier is here."]
    options = DecodeOptions(task=task, word_times=True, hotwords="Meier", initial_prompt="Minutes of the board.")
    results = heard(base, speech(said), options, languages=["en", "", "en", ""], prompts=["", "", "It rained.", ""])
    # Of the names it would hear by itself, "Meyer" is the likelier.
    assert [("Meier" in result.text) for result in results] == [True, False, False, True]
    assert normalised([result.text for result in results[1:3]]) == normalised(TEXTS[:2])
    assert [result.language for result in results] == ["en"] * 4
    assert [bool(result.language_candidates) for result in results] == [False, True, False, True]
    for result, samples in zip(results, speech(said), strict=True):
        assert " ".join(word.text for word in result.words) == result.text
        assert samples.size / 16 - 900 < result.words[-1].end_ms <= samples.size / 16


def test_segments_with_different_text_before_share_a_batch(base: Whisper) -> None:
    results = heard(base, speech(), prompts=["", "Good afternoon.", "It was late, and the way was long."])
    assert normalised([result.text for result in results]) == normalised(TEXTS)
    assert all(result.words for result in results)


def test_nothing_is_heard_in_silence(base: Whisper) -> None:
    nothing = np.zeros(3 * 16_000, dtype=np.int16)
    hiss = np.random.default_rng(1).normal(0, 30, 5 * 16_000).astype(np.int16)
    hum = (1000 * np.sin(2 * np.pi * 50 * np.arange(4 * 16_000) / 16_000)).astype(np.int16)
    results = heard(base, [nothing, hiss, nothing[:0], hum])
    assert [(result.text, result.words) for result in results] == [("", ())] * 4
    assert [result.segment_id for result in results] == [100, 101, 102, 103]
    assert min(result.no_speech_prob for result in results) > 0.6


def test_a_result_that_stays_doubtful_is_tried_at_higher_temperatures(tiny_en: Whisper) -> None:
    never_satisfied = DecodeOptions(log_prob_threshold=-0.001, no_speech_threshold=1.0, temperatures=(0.0, 0.2))
    (result,) = heard(tiny_en, speech(TEXTS[:1]), never_satisfied)
    assert normalised([result.text]) == normalised(TEXTS[:1])
    (plain,) = heard(tiny_en, speech(TEXTS[:1]), margin_s=None)
    assert result.avg_log_prob >= plain.avg_log_prob, "the likeliest of all attempts is kept"


def test_a_beam_hears_the_same(tiny_en: Whisper) -> None:
    results = heard(tiny_en, speech(), DecodeOptions(beam_size=5))
    assert normalised([result.text for result in results]) == normalised(TEXTS)


def test_a_slot_that_changed_hands_is_not_heard(tiny_en: Whisper) -> None:
    arena = Arena.create(1)
    arena.write(0, 2, speech(TEXTS[:1])[0])
    batch = InferBatch(1, ModelSpec("model", ""), DecodeOptions(), (SegmentTask(1, 0, 1, 16_000),))
    with pytest.raises(StaleSlotError):
        transcribe(batch, arena, tiny_en)
    arena.close()


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path, tiny_en_folder: Path, cpu: Device) -> None:
    with pytest.raises(ModelUnavailableError, match=r"no model\.bin and no config\.json and no tokenizer\.json"):
        Whisper.load(str(tmp_path), cpu, workers=1, threads=1)
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        (tmp_path / name).symlink_to(tiny_en_folder / name)
    (tmp_path / "model.bin").write_bytes((tiny_en_folder / "model.bin").read_bytes()[:100_000])
    with pytest.raises(ModelUnavailableError, match="cannot be loaded"):
        Whisper.load(str(tmp_path), cpu, workers=1, threads=1)


def test_the_device_is_chosen_by_what_there_is() -> None:
    assert Device.choose("cpu", "auto") == Device("cpu", 0, "int8")
    assert Device.choose("cpu", "float32").compute_type == "float32"
    with pytest.raises(DeviceUnavailableError, match="no CUDA device 99"):
        Device.choose("cuda:99", "auto")
    with pytest.raises(DeviceUnavailableError, match="cpu has no int3"):
        Device.choose("cpu", "int3")
