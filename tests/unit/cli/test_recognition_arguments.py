"""Options of the command line, and the RecognitionConfig that they make."""

from __future__ import annotations

from typing import Any

import pytest
import typer
from google.protobuf import text_format

from batchscribe.cli.recognition_arguments import RecognitionArguments, RedactionWord
from batchscribe.recognition import recognition_config
from batchscribe.v1.recognition_pb2 import DecodingConfig, DiarizationConfig, RecognitionConfig

# Messages whose fields have options of their own, or one that stands for the whole.
_OF_SEVERAL = {"vad", "decoding"}


def config_of(**arguments: Any) -> RecognitionConfig:
    return recognition_config(RecognitionArguments(**arguments).options())


def option_names() -> set[str]:
    names: set[str] = set()
    for name, annotation in RecognitionArguments.__annotations__.items():
        names.add("--" + name.replace("_", "-"))
        for option in eval(annotation, {**vars(typer), **globals(), **_vocabulary()}).__metadata__:
            names.update(part for declared in option.param_decls or () for part in declared.split("/"))
    return names


def _vocabulary() -> dict[str, Any]:
    import batchscribe.cli.recognition_arguments as module

    return vars(module)


@pytest.mark.parametrize(
    "field",
    [
        *(field.name for field in RecognitionConfig.DESCRIPTOR.fields if field.name not in _OF_SEVERAL),
        *(field.name for field in DecodingConfig.DESCRIPTOR.fields),
        *(field.name for field in DiarizationConfig.DESCRIPTOR.fields if field.name != "mode"),
    ],
)
def test_every_field_has_an_option_of_its_own_name(field: str) -> None:
    assert "--" + field.replace("_", "-") in option_names()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, ""),
        ({"task": "translate"}, "task: TASK_TRANSLATE"),
        ({"translate": True, "enhanced": True}, "task: TASK_TRANSLATE operating_point: OPERATING_POINT_ENHANCED"),
        ({"diarization": "speaker", "max_speakers": 3}, "diarization { mode: MODE_SPEAKER max_speakers: 3 }"),
        (
            {"channel_separation": True, "channel_labels": ["Agent", "Caller"]},
            'channel_separation: true diarization { mode: MODE_CHANNEL channel_labels: ["Agent", "Caller"] }',
        ),
        (
            {"redaction": [RedactionWord.NUMBERS, RedactionWord.NAMES]},
            "redaction { enabled: true categories: [CATEGORY_NUMBERS, CATEGORY_NAMES] }",
        ),
        (
            {"replacements": ["a b=c=d"], "regex_replacements": ["x+="]},
            'replacements { from: "a b" to: "c=d" } replacements { from: "x+" regex: true }',
        ),
        ({"summary": "bullets"}, "summary { style: STYLE_BULLETS }"),
        ({"summary_length": "long"}, "summary { length: LENGTH_LONG }"),
        ({"low_confidence_action": "use_default"}, "low_confidence_action: LOW_CONFIDENCE_ACTION_USE_DEFAULT"),
        ({"profanity_filter": "mask"}, "profanity_filter: PROFANITY_FILTER_MASK"),
        ({"start_offset": 1.5}, "start_offset { seconds: 1 nanos: 500000000 }"),
        (
            {"temperatures": [0.0, 0.5], "no_speech_threshold": 0.0, "suppressed_phrases": ["Thanks"]},
            'decoding { temperatures: [0, 0.5] no_speech_threshold: 0 suppressed_phrases: "Thanks" }',
        ),
        ({"vad": False}, "vad { mode: MODE_NONE }"),
    ],
)
def test_options_become_fields(arguments: dict[str, Any], expected: str) -> None:
    assert config_of(**arguments) == text_format.Parse(expected, RecognitionConfig())


@pytest.mark.parametrize(
    "arguments",
    [
        {"translate": True, "task": "transcribe"},
        {"enhanced": True, "operating_point": "standard"},
        {"min_speakers": 2},
        {"channel_labels": ["Agent"]},
        {"replacements": ["nothing"]},
        {"replacements": ["=x"]},
        {"vad": False, "vad_threshold": 0.5},
    ],
)
def test_contradictions_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        config_of(**arguments)
