"""Where outputs go."""

from __future__ import annotations

import itertools

import pytest

from batchscribe_server.domain.batch import BatchInput, ManifestEntry, ManifestInput, PrefixInput, SingleInput
from batchscribe_server.domain.layout import (
    file_name,
    folder_of_outputs,
    is_output,
    is_report,
    notice_uri,
    output_uri,
    relative_paths,
    report_uri,
)
from batchscribe_server.domain.recognition import OutputConfig, OutputLayout, TranscriptFormat

ALL_NAMES = {
    *("a.wav", "no-suffix", "x.json/b.wav", "json", "a.JSON.wav"),
    *("a.wav.json", "a.wav.txt", "deep/a.wav.srt", "a.wav.vtt", "a.wav.notice", "no-suffix.json", "a.wav.json.notice"),
}

JSON, SRT = TranscriptFormat.JSON, TranscriptFormat.SRT


def single(uri: str, *formats: TranscriptFormat) -> OutputConfig:
    return OutputConfig(layout=OutputLayout.SINGLE, uri=uri, formats=formats)


@pytest.mark.parametrize("uri", ["file:///out/talk.json", "file:///out/talk", "file:///out/talk.transcript"])
def test_a_single_output_of_one_format_is_the_uri_as_given(uri: str) -> None:
    assert output_uri(single(uri, JSON), JSON, "file:///in/a.wav") == uri


@pytest.mark.parametrize(
    ("uri", "srt"),
    [
        ("file:///out/talk.json", "file:///out/talk.srt"),
        ("file:///out/talk", "file:///out/talk.srt"),
        ("file:///out/talk.2026", "file:///out/talk.2026.srt"),
        ("file:///out/talk.summary.txt", "file:///out/talk.srt"),
        ("file:///out/talk.summary", "file:///out/talk.summary.srt"),
        ("file:///out.json/talk", "file:///out.json/talk.srt"),
        ("file:///out/talk.v2.json", "file:///out/talk.srt"),
        ("file:///out/talk.IBM.json", "file:///out/talk.srt"),
    ],
)
def test_several_formats_of_a_single_output_differ_in_their_suffix(uri: str, srt: str) -> None:
    assert output_uri(single(uri, JSON, SRT), SRT, "file:///in/a.wav") == srt


@pytest.mark.parametrize("layout", OutputLayout)
def test_no_two_formats_of_a_run_write_to_the_same_file(layout: OutputLayout) -> None:
    uri = "" if layout is OutputLayout.ADJACENT else "file:///out/talk"
    output = OutputConfig(layout=layout, uri=uri, formats=tuple(TranscriptFormat), file_per_channel=True)
    uris = [
        output_uri(output, format, "file:///in/a.wav", "a.wav", channel)
        for format in TranscriptFormat
        for channel in (None, 0, 1)
    ]
    assert len(set(uris)) == len(uris)


def test_a_single_output_that_is_a_folder_takes_the_inputs_name() -> None:
    output = single("file:///out/", JSON)
    assert output_uri(output, JSON, "file:///in/a%20b.wav") == "file:///out/a%20b.wav.json"


def test_the_notice_of_a_single_output_stands_in_its_place() -> None:
    assert notice_uri(single("file:///out/talk.json", JSON), "file:///in/a.wav") == "file:///out/talk.notice"


def test_adjacent_outputs_keep_the_inputs_whole_name() -> None:
    output = OutputConfig(layout=OutputLayout.ADJACENT)
    assert output_uri(output, JSON, "file:///in/a%20b.wav") == "file:///in/a%20b.wav.json"
    assert output_uri(output, JSON, "file:///in/a%20b.mp3") == "file:///in/a%20b.mp3.json"
    assert notice_uri(output, "file:///in/a.wav") == "file:///in/a.wav.notice"


@pytest.mark.parametrize("uri", ["file:///out", "file:///out/"])
def test_a_prefix_mirrors_the_inputs_tree(uri: str) -> None:
    output = OutputConfig(layout=OutputLayout.PREFIX, uri=uri)
    assert output_uri(output, SRT, "file:///in/x/a.wav", "x/a.wav") == "file:///out/x/a.wav.srt"
    assert notice_uri(output, "file:///in/x/a.wav", "x/a.wav") == "file:///out/x/a.wav.notice"


@pytest.mark.parametrize("path", ["x//a.wav", "x/", "/a.wav", "a 1#%2F.wav"])
def test_a_key_keeps_its_empty_names_so_that_no_two_inputs_share_an_output(path: str) -> None:
    output = OutputConfig(layout=OutputLayout.PREFIX, uri="s3://out/deep/")
    assert output_uri(output, JSON, f"s3://in/{path}", path) == f"s3://out/deep/{path}.json"


@pytest.mark.parametrize(
    ("output", "prefix", "folder"),
    [
        ("s3://calls/in/out", "s3://calls/in", "out/"),
        ("s3://calls/in/a%20b/c/", "s3://calls/in/", "a%20b/c/"),
        ("file:///in/a%20b/", "file:///in", "a b/"),
        ("s3://calls/in2/out", "s3://calls/in", ""),
        ("s3://calls/in/", "s3://calls/in", ""),
        ("s3://other/in/out", "s3://calls/in", ""),
        ("", "s3://calls/in", ""),
    ],
)
def test_the_outputs_folder_is_told_where_it_lies_below_the_input(output: str, prefix: str, folder: str) -> None:
    assert folder_of_outputs(OutputConfig(layout=OutputLayout.PREFIX, uri=output), prefix) == folder


def test_a_prefix_takes_the_inputs_name_where_there_is_no_relative_path() -> None:
    output = OutputConfig(layout=OutputLayout.PREFIX, uri="file:///out")
    assert output_uri(output, JSON, "file:///in/x/a%23.wav") == "file:///out/a%23.wav.json"


def test_names_are_encoded_for_file_uris_and_left_alone_for_object_stores() -> None:
    path = "50% off/what?#1 ü.wav"
    to_files = OutputConfig(uri="file:///out")
    assert output_uri(to_files, JSON, "file:///in", path) == "file:///out/50%25%20off/what%3F%231%20%C3%BC.wav.json"
    for bucket in ("s3://bucket", "az://container"):
        to_bucket = OutputConfig(uri=f"{bucket}/out/")
        assert output_uri(to_bucket, JSON, "file:///in", path) == f"{bucket}/out/50% off/what?#1 ü.wav.json"
        beside = OutputConfig(layout=OutputLayout.ADJACENT)
        assert output_uri(beside, JSON, f"{bucket}/100%25.wav") == f"{bucket}/100%25.wav.json"


@pytest.mark.parametrize("output", ["file:///out", "s3://out/deep"])
def test_no_two_keys_share_an_output_whatever_their_names_are(output: str) -> None:
    names = ["", ".", "..", "_", "__", "_.", "_..", "__.", "a", "a_", "_a"]
    keys = ["/".join((*folders, "x.wav")) for folders in itertools.product(names, repeat=2)] + ["x.wav", "a/x.wav"]
    uris = [output_uri(OutputConfig(uri=output), JSON, f"s3://in/{key}", key) for key in keys]
    assert len(set(uris)) == len(keys)
    assert all(uri.startswith(f"{output}/") and "/../" not in uri and "/./" not in uri for uri in uris)


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("a//b.wav", "a/_/b.wav"),
        ("/b.wav", "_/b.wav"),
        ("a/_/b.wav", "a/__/b.wav"),
        ("../../etc/b.wav", "_../_../etc/b.wav"),
        ("a/..", "a/_.."),
        ("a/b_/_c.wav", "a/b_/_c.wav"),
        ("..%2Fb.wav", "..%252Fb.wav"),
    ],
)
def test_names_of_a_key_that_no_file_can_have_are_changed_in_a_folder(key: str, path: str) -> None:
    assert output_uri(OutputConfig(uri="file:///out"), JSON, f"s3://in/{key}", key) == f"file:///out/{path}.json"


def test_a_relative_path_never_climbs_out_of_the_prefix() -> None:
    output = OutputConfig(uri="file:///out")
    assert output_uri(output, JSON, "file:///in/a.wav", "../../etc/./a.wav") == "file:///out/etc/a.wav.json"


@pytest.mark.parametrize(
    ("uris", "paths"),
    [
        ([], []),
        (["file:///a/x.wav"], ["x.wav"]),
        (["file:///a/b/x.wav", "file:///a/c/x.wav", "file:///a/y%20z.wav"], ["b/x.wav", "c/x.wav", "y z.wav"]),
        (["file:///a/x.wav", "file:///a/x.wav/y.wav"], ["x.wav", "x.wav/y.wav"]),
        (["s3://one/x.wav", "s3://two/x.wav"], ["one/x.wav", "two/x.wav"]),
        (["az://calls/a%20b/x#1.wav", "az://calls/a%20b/y/z.wav"], ["x#1.wav", "y/z.wav"]),
        (["https://h/a/x.wav?sig=/1", "https://h/b/y%20z.wav#/2"], ["a/x.wav", "b/y z.wav"]),
        (["https://h/o/a%2Fx.wav?sig", "https://h/o/b.wav"], ["a/x.wav", "b.wav"]),
        (["https://one/x.wav", "file:///x.wav"], ["one/x.wav", "x.wav"]),
    ],
)
def test_files_of_a_manifest_are_mirrored_below_the_folder_they_share(uris: list[str], paths: list[str]) -> None:
    assert relative_paths(uris) == paths


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("https://h/calls/a%20b.wav?X-Signature=se/cret#x", "a b.wav"),
        ("https://h/o/calls%2F..%2Fa.wav?alt=media", "a.wav"),
        ("https://h/%3F%23.wav", "?#.wav"),
        ("https://h/calls/?id=1", "calls"),
        ("https://h?id=1", "h"),
        ("https://user:secret@h", "h"),
        ("file:///a/b%20c?.wav", "b c?.wav"),
        ("s3://bucket/a%20b?.wav", "a%20b?.wav"),
        ("file:///", ""),
    ],
)
def test_a_files_name_is_decoded_and_holds_nothing_of_a_query(uri: str, name: str) -> None:
    assert file_name(uri) == name


def test_outputs_of_a_url_are_named_without_its_query() -> None:
    url = "https://h/in/100%25%20a%2Fb%3F.wav?X-Signature=secret"
    assert output_uri(OutputConfig(uri="file:///out"), JSON, url) == "file:///out/b%3F.wav.json"
    assert output_uri(single("s3://out/", JSON, SRT), SRT, url) == "s3://out/b?.wav.srt"
    assert notice_uri(OutputConfig(uri="s3://out"), url) == "s3://out/b?.wav.notice"
    climbing = "https://h/..%2F..%2Fetc%2F..?x"
    assert output_uri(OutputConfig(uri="file:///out"), JSON, climbing) == "file:///out/etc.json"


MANIFEST = ManifestInput((ManifestEntry("file:///in/a.wav"),))


@pytest.mark.parametrize(
    ("layout", "uri", "input", "expected"),
    [
        (OutputLayout.PREFIX, "s3://bucket/out/", PrefixInput("s3://bucket/in/"), "s3://bucket/out/b-1.report.jsonl"),
        (OutputLayout.PREFIX, "s3://bucket", MANIFEST, "s3://bucket/b-1.report.jsonl"),
        (OutputLayout.PREFIX, "file:///out", SingleInput("media/1"), "file:///out/b-1.report.jsonl"),
        (OutputLayout.ADJACENT, "", PrefixInput("az://calls/in"), "az://calls/in/b-1.report.jsonl"),
        (OutputLayout.ADJACENT, "", SingleInput("file:///in/a%20b.wav"), "file:///in/b-1.report.jsonl"),
        (OutputLayout.ADJACENT, "", SingleInput("s3://bucket/a.wav"), "s3://bucket/b-1.report.jsonl"),
        (OutputLayout.ADJACENT, "", MANIFEST, ""),
        (OutputLayout.SINGLE, "file:///out/a.txt", SingleInput("file:///in/a.wav"), "file:///out/b-1.report.jsonl"),
        (OutputLayout.SINGLE, "file:///a.txt", SingleInput("file:///in/a.wav"), "file:///b-1.report.jsonl"),
        (OutputLayout.SINGLE, "s3://bucket/out/", MANIFEST, "s3://bucket/out/b-1.report.jsonl"),
        (OutputLayout.PREFIX, "", PrefixInput("file:///in/"), ""),
    ],
)
def test_a_report_lies_with_the_outputs(layout: OutputLayout, uri: str, input: BatchInput, expected: str) -> None:
    assert report_uri(OutputConfig(layout=layout, uri=uri), input, "b-1") == expected
    assert is_report(expected) is bool(expected)
    assert is_output(OutputConfig(), "s3://in/", expected) is bool(expected)


@pytest.mark.parametrize(
    ("output", "names"),
    [
        (OutputConfig(layout=OutputLayout.ADJACENT), {"a.wav", "no-suffix", "x.json/b.wav", "json", "a.JSON.wav"}),
        (OutputConfig(uri="s3://in"), {"a.wav", "no-suffix", "x.json/b.wav", "json", "a.JSON.wav"}),
        (OutputConfig(uri="s3://in/x.json/"), ALL_NAMES - {"x.json/b.wav"}),
        (OutputConfig(uri="s3://other/"), ALL_NAMES),
        (OutputConfig(), ALL_NAMES),
    ],
)
def test_outputs_of_earlier_runs_are_told_from_inputs(output: OutputConfig, names: set[str]) -> None:
    assert {name for name in ALL_NAMES if not is_output(output, "s3://in/", name)} == names
