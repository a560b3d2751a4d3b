"""Files that are broken, or lie, or want to be something else than media."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import pytest

from batchscribe_engine.media.source_file import SourceFile
from batchscribe_engine.messages import MediaFailed, MediaFinished, SegmentReady
from tests.media_files import (
    ENCODINGS,
    declared_wav,
    encoded,
    garbled,
    renamed_text,
    truncated,
    video_without_sound,
)
from tests.open_files import opened
from tests.speech import read_wav, silence, spoken

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = "In seventeen minutes, the museum opens its doors to everyone who waited outside in the rain."


def assert_fails(run: Any, reason: str, *words: str) -> None:
    failed = run.last
    assert isinstance(failed, MediaFailed)
    assert failed.reason == reason
    for word in words:
        assert word in failed.message
    assert not run.of(SegmentReady)
    assert run.cpu_s < 2


def test_a_text_renamed_wav_is_no_media(run_task: Callable[..., Any], tmp_path: Path) -> None:
    assert_fails(run_task(renamed_text(tmp_path)), "UNSUPPORTED_FORMAT", "not audio or video")


def test_an_empty_file_is_too_small(run_task: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    assert_fails(run_task(tmp_path / "empty.wav"), "MEDIA_TOO_SMALL", "0 bytes", "uploaded")


def test_a_video_without_sound_has_no_audio(run_task: Callable[..., Any], tmp_path: Path) -> None:
    assert_fails(run_task(video_without_sound(tmp_path)), "NO_AUDIO", "only video")


def test_a_header_alone_has_no_audio(run_task: Callable[..., Any], tmp_path: Path) -> None:
    path = declared_wav(tmp_path, 0, silence(0))
    path.write_bytes(path.read_bytes()[:36] + b"LIST\x40\x00\x00\x00" + bytes(64) + b"data\0\0\0\0")
    assert_fails(run_task(path), "NO_AUDIO")


@pytest.mark.parametrize("name", ["mp4", "m4a"])
def test_an_mp4_without_its_index_is_told_apart(name: str, run_task: Callable[..., Any], tmp_path: Path) -> None:
    path = truncated(encoded(spoken(TEXT), tmp_path, ENCODINGS[name]), tmp_path, 0.6)
    assert_fails(run_task(path), "DECODE_FAILED", "incomplete", "whole file")


@pytest.mark.parametrize("declared_bytes", [5_000_000_000, 1_500_000_000])
def test_a_header_of_gigabytes_over_a_kilobyte_is_done_at_once(
    declared_bytes: int, run_task: Callable[..., Any], tmp_path: Path
) -> None:
    run = run_task(declared_wav(tmp_path, declared_bytes, silence(1.0)[:500]), max_duration_ms=3_600_000)
    assert isinstance(run.last, MediaFinished)
    assert run.last.duration_ms == 31
    assert run.cpu_s < 2


@pytest.mark.parametrize("name", ["wav", "flac", "webm", "aac"])
def test_what_comes_before_a_cut_is_heard_and_the_cut_is_told(
    name: str, run_task: Callable[..., Any], tmp_path: Path
) -> None:
    path = truncated(encoded(spoken(TEXT), tmp_path, ENCODINGS[name]), tmp_path, 0.6)
    run = run_task(path)
    assert isinstance(run.last, MediaFinished)
    assert run.of(SegmentReady)
    duration_ms = read_wav(spoken(TEXT)).size / 16
    assert 0.5 * duration_ms < run.last.duration_ms < 0.75 * duration_ms
    assert "cut short" in run.last.warning or "could not be decoded after 0:00:0" in run.last.warning


@pytest.mark.parametrize("name", ["mp3", "aac"])
def test_a_corrupt_tail_keeps_what_was_heard(name: str, run_task: Callable[..., Any], tmp_path: Path) -> None:
    run = run_task(garbled(encoded(spoken(TEXT), tmp_path, ENCODINGS[name]), tmp_path, 0.6, 1.0))
    assert run.of(SegmentReady)
    assert "could not be decoded after 0:00:03" in run.last.warning
    assert "kept" in run.last.warning


def test_speech_after_a_corrupt_part_keeps_its_time(run_task: Callable[..., Any], tmp_path: Path) -> None:
    path = garbled(encoded(spoken(TEXT), tmp_path, ENCODINGS["mp4"]), tmp_path, 0.4, 0.5)
    run = run_task(path)
    assert run.last.duration_ms == pytest.approx(read_wav(spoken(TEXT)).size / 16, abs=40)
    assert "parts of it could not be decoded" in run.last.warning


@pytest.mark.parametrize("name", ["m4a", "alac"])
def test_a_good_header_over_rubbish_fails(name: str, run_task: Callable[..., Any], tmp_path: Path) -> None:
    path = encoded(spoken(TEXT), tmp_path, ENCODINGS[name])
    content = bytearray(path.read_bytes())
    start, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    content[start:end] = b"\xff" * (end - start)
    path.write_bytes(content)
    assert_fails(run_task(path), "DECODE_FAILED", "damaged")


def test_a_rate_that_is_no_sound_is_refused(run_task: Callable[..., Any], tmp_path: Path) -> None:
    path = declared_wav(tmp_path, 4000, silence(0.125))
    content = bytearray(path.read_bytes())
    content[24:28] = (1).to_bytes(4, "little")
    path.write_bytes(content)
    assert_fails(run_task(path), "UNSUPPORTED_FORMAT", "1 samples")


def hls_playlist(secret: Path) -> str:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{secret.name}\n#EXT-X-ENDLIST\n" + "\n" * 100


def concat_script(secret: Path) -> str:
    return f"ffconcat version 1.0\nfile {secret.name}\n" + "#" * 100


def dash_manifest(secret: Path) -> str:
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" '
        'profiles="urn:mpeg:dash:profile:isoff-live:2011"><Period><AdaptationSet><Representation>'
        f"<BaseURL>file://{secret}</BaseURL></Representation></AdaptationSet></Period></MPD>"
    )


def session_description(secret: Path) -> str:
    return "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n" + "\n" * 40


@pytest.mark.parametrize("playlist", [hls_playlist, concat_script, dash_manifest, session_description])
def test_a_playlist_renamed_wav_leads_nowhere(
    playlist: Callable[[Path], str], run_task: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    secret = encoded(spoken(TEXT), tmp_path, ENCODINGS["wav"])
    path = tmp_path / "playlist.wav"
    path.write_text(playlist(secret))
    assert_fails(run_task(path), "UNSUPPORTED_FORMAT", "playlists are not followed")


def test_a_format_that_nobody_vouched_for_is_not_opened(run_task: Callable[..., Any], tmp_path: Path) -> None:
    # Harmless in itself: only the list of formats keeps it, and its like, away from a demuxer.
    (tmp_path / "raw.mp4").write_bytes(b"YUV4MPEG2 W16 H16 F25:1\n" + (b"FRAME\n" + bytes(384)) * 5)
    assert_fails(run_task(tmp_path / "raw.mp4"), "UNSUPPORTED_FORMAT")


def test_that_playlist_would_lead_there_without_precautions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    secret = encoded(spoken(TEXT), tmp_path, ENCODINGS["wav"])
    path = tmp_path / "playlist.wav"
    path.write_text(concat_script(secret))
    with av.open(SourceFile(opened(path)), mode="r", format="concat") as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) > 100_000
