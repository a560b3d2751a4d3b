"""Which file each transcript is written to, and what is refused before anything is sent."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from batchscribe.cli import output_plan
from batchscribe.cli.arguments import FormatWord
from batchscribe.cli.output_plan import plan_outputs, wanted_formats, write_transcript

TXT, SRT, SUMMARY = FormatWord.TXT, FormatWord.SRT, FormatWord.SUMMARY


def paths(sources: list[str], output: str, *formats: FormatWord) -> list[str]:
    return [str(target.path) for targets in plan_outputs(sources, output, formats or (TXT,)) for target in targets]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("a.wav").write_bytes(b"sound")
    Path("b.wav").write_bytes(b"sound")
    return tmp_path


def link(name: str, make: Callable[[str, str], object]) -> str:
    Path("elsewhere").mkdir(exist_ok=True)
    make(os.path.abspath("a.wav"), f"elsewhere/{name}")  # noqa: PTH100 - the path of the file, links and all
    return f"elsewhere/{name}"


@pytest.mark.parametrize(
    ("given", "output", "has_summary", "wanted"),
    [
        (None, None, False, (TXT,)),
        (None, None, True, (SUMMARY,)),
        (None, "x.txt", True, (SUMMARY,)),
        ([SRT], None, True, (SRT,)),
        (None, "x.srt", False, (SRT,)),
        (None, "X.SRT", True, (SRT,)),
        (None, "x.v2.json", False, (FormatWord.JSON_V2,)),
        (None, "x.json", False, (FormatWord.JSON,)),
        ([FormatWord.IBM_JSON], "x.json", False, (FormatWord.IBM_JSON,)),
        (None, "notes.md", False, (TXT,)),
        (None, "2026.srt/", False, (TXT,)),
        ([SRT, TXT, SRT], "out/", False, (SRT, TXT)),
    ],
)
def test_the_formats_are_those_named_or_what_the_suffix_says(
    given: list[FormatWord] | None, output: str | None, has_summary: bool, wanted: tuple[FormatWord, ...]
) -> None:
    assert wanted_formats(given, output, has_summary=has_summary) == wanted


def test_a_summary_that_is_not_made_and_a_name_of_another_format_are_refused() -> None:
    with pytest.raises(ValueError, match="--summary bullets"):
        wanted_formats([SUMMARY], None, has_summary=False)
    with pytest.raises(ValueError, match=r"x\.srt is a name for srt, --format says vtt"):
        wanted_formats([FormatWord.VTT], "x.srt", has_summary=False)


def test_files_are_called_as_the_server_calls_them() -> None:
    assert paths(["a.wav", "s3://calls/2026/c.mp3"], "out", TXT, SRT, SUMMARY) == [
        *("out/a.wav.txt", "out/a.wav.srt", "out/a.wav.summary.txt"),
        *("out/c.mp3.txt", "out/c.mp3.srt", "out/c.mp3.summary.txt"),
    ]
    assert paths(["-"], "out/") == ["out/stdin.txt"]


def test_a_slash_makes_a_folder_of_a_name_with_a_point() -> None:
    assert paths(["a.wav", "b.wav"], "2026.11/") == ["2026.11/a.wav.txt", "2026.11/b.wav.txt"]
    assert Path("2026.11").is_dir()
    with pytest.raises(ValueError, match="end it with a slash"):
        paths(["a.wav", "b.wav"], "2026.12")
    with pytest.raises(ValueError, match="end it with a slash"):
        paths(["a.wav"], "x.srt", SRT, TXT)


@pytest.mark.parametrize(
    "output",
    [
        lambda: "a.wav",
        lambda: "./a.wav",
        lambda: link("soft.txt", os.symlink),
        lambda: link("hard.txt", os.link),
    ],
    ids=["itself", "another spelling", "a symbolic link", "a hard link"],
)
@pytest.mark.parametrize("source", [lambda: "a.wav", lambda: Path("a.wav").absolute().as_uri()], ids=["path", "uri"])
def test_no_transcript_replaces_an_input(output: Callable[[], str], source: Callable[[], str]) -> None:
    with pytest.raises(ValueError, match=r"input|audio"):
        paths([source()], output())
    assert Path("a.wav").read_bytes() == b"sound"


def test_no_transcript_replaces_another_input() -> None:
    Path("a.wav.txt").write_bytes(b"sound too")
    with pytest.raises(ValueError, match=r"is the input a\.wav\.txt"):
        paths(["a.wav", "a.wav.txt"], "./")


def test_a_name_of_a_recording_is_no_name_for_a_transcript() -> None:
    with pytest.raises(ValueError, match="for audio or video"):
        paths(["a.wav"], "c.mp3")


def test_two_inputs_are_not_written_to_one_file() -> None:
    for day in ("mon", "tue"):
        Path(day).mkdir()
        Path(day, "call.wav").write_bytes(b"sound")
    with pytest.raises(ValueError, match=r"mon/call\.wav and tue/call\.wav would both be written"):
        paths(["mon/call.wav", "tue/call.wav"], "out/")
    assert not Path("out").exists()
    with pytest.raises(ValueError, match="would both be written"):
        paths(["s3://a/call.wav", "s3://b/call.wav"], "out/")
    Path("out").mkdir()
    Path("out/a.wav.txt").symlink_to("b.wav.txt")
    with pytest.raises(ValueError, match="would both be written"):
        paths(["a.wav", "b.wav"], "out/")


@pytest.mark.parametrize("ignores_case", [False, True])
def test_two_inputs_whose_names_differ_in_case_are_one_where_the_folder_ignores_it(
    monkeypatch: pytest.MonkeyPatch, ignores_case: bool
) -> None:
    monkeypatch.setattr(output_plan, "_probe", lambda _: ignores_case)  # as on another file system
    with pytest.raises(ValueError, match="would both be written") if ignores_case else nullcontext():
        assert paths(["s3://b/Call.wav", "s3://b/call.wav"], "out/") == ["out/Call.wav.txt", "out/call.wav.txt"]


def test_standard_output_takes_one_format() -> None:
    with pytest.raises(ValueError, match="--output FOLDER/"):
        plan_outputs(["a.wav"], None, (TXT, SRT))


def test_what_cannot_be_written_is_seen_before_the_work() -> None:
    Path("out/a.wav.txt").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        paths(["a.wav"], "out/")
    with pytest.raises(NotADirectoryError):
        paths(["b.wav"], "a.wav/sub/")
    with pytest.raises(OSError, match="File name too long"):
        paths(["s3://b/" + "n" * 252], "out/")
    with pytest.raises(OSError, match="/proc"):  # nobody may write there, not even root
        paths(["b.wav"], "/proc/x.txt")


def test_a_name_may_be_as_long_as_names_can_be() -> None:
    (name,) = paths(["n" * 241 + ".wav"], "out/")
    write_transcript(Path(name), "text")
    assert [path.name for path in Path("out").iterdir()] == ["n" * 241 + ".wav.txt"]
    assert Path(name).read_text() == "text"


def test_a_transcript_is_written_through_a_link_and_a_device_is_not_replaced() -> None:
    Path("real.txt").write_text("old")
    Path("link.txt").symlink_to("real.txt")
    write_transcript(Path("link.txt"), "new")
    assert (Path("link.txt").is_symlink(), Path("real.txt").read_text()) == (True, "new")
    ((target,),) = plan_outputs(["a.wav"], os.devnull, (TXT,))
    assert target.path is not None
    write_transcript(target.path, "text")
    assert Path(os.devnull).is_char_device()
