"""`batchscribe calibrate` as its operator runs it, with a real model on synthesised speech."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from batchscribe_server.models.known_calibrations import Calibrations
from batchscribe_server.models.whisper_sizes import WHISPER_SIZES
from tests.speech import joined, spoken

TEXTS = (
    "Please send the report to the office before Friday afternoon. The accountant needs two days to check the figures.",
    "We walked along the river until the sun went down, and then we took the last train home to our village.",
    "She bought a loaf of bread, some cheese and a bottle of water. Then she went up the hill to see the town.",
)
# Enough for the least that is accepted. The pause is too long for one text to be joined with the next.
TIMES_SAID, PAUSE_S = 4, 2.5


def calibrate(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    argv = [str(Path(sys.executable).with_name("batchscribe")), "calibrate", *map(str, arguments)]
    return subprocess.run(
        argv, capture_output=True, text=True, check=False, env={**os.environ, "BATCHSCRIBE_HUB": "false"}
    )


def speech_folder(folder: Path, times: int) -> Path:
    folder.mkdir()
    recording = joined([spoken(text) for text in TEXTS * times], PAUSE_S, folder / "said.wav")
    (folder / "references.tsv").write_text(f"file\tchannel\ttext\n{recording.name}\tmono\t{' '.join(TEXTS * times)}\n")
    return folder


@pytest.mark.slow
def test_a_calibration_is_measured_kept_and_printed(tmp_path: Path) -> None:
    speech = speech_folder(tmp_path / "speech", TIMES_SAID)
    done = calibrate(
        *("tiny.en", speech, "--data-dir", tmp_path / "data", "--margin", "4", "--as-it-is"),
        *("--note", "a synthesised voice", "--json"),
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    kept = Calibrations(tmp_path / "data" / "calibrations").find(WHISPER_SIZES["tiny.en"].sha256)
    assert kept is not None
    assert (told["sha256"], told["margin_s"]) == (kept.sha256, kept.margin_s)
    assert (kept.model, kept.speech) == ("tiny.en", "a synthesised voice")
    measured = kept.measured
    assert (measured.device, measured.has_references, measured.variants) == ("cpu", True, ("as it is",))
    assert measured.segments == len(TEXTS) * TIMES_SAID
    assert measured.words == TIMES_SAID * sum(len(text.split()) for text in TEXTS)
    assert measured.full.checked_error < 0.1
    (margin,) = measured.margins
    assert margin.margin_s == 4.0
    assert 0 < margin.cost < measured.full.cost
    assert "1 of 1 recordings" in done.stderr


def test_too_little_speech_is_refused_and_nothing_kept(tmp_path: Path) -> None:
    speech = speech_folder(tmp_path / "speech", 1)
    done = calibrate("tiny.en", speech, "--data-dir", tmp_path / "data")
    assert (done.returncode, done.stdout) == (2, "")
    assert "there are 3 segments" in done.stderr
    assert "SPEECH_TOO_LITTLE" in done.stderr
    assert not (tmp_path / "data" / "calibrations").exists()


def test_what_cannot_be_calibrated_is_refused_with_a_reason(tmp_path: Path) -> None:
    speech = speech_folder(tmp_path / "speech", 1)
    data = ("--data-dir", tmp_path / "data")
    unknown_language = calibrate("tiny.en", speech, *data, "--language", "de")
    assert (unknown_language.returncode, unknown_language.stdout) == (2, "")
    assert "does not know the language 'de'" in unknown_language.stderr

    (speech / "said.wav").write_bytes(b"no sound" * 100)
    unreadable = calibrate("tiny.en", speech, *data)
    assert unreadable.returncode == 2
    assert "SPEECH_UNREADABLE" in unreadable.stderr

    no_model = calibrate(tmp_path, speech, *data)
    assert no_model.returncode == 1
    assert "no model.bin" in no_model.stderr
