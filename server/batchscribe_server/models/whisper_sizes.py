"""What is known of the published Whisper models in CTranslate2 form, by the names that people ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WhisperSize:
    """A published model: its Hugging Face repository and its languages, `en` alone or all of them.

    `sha256` is that of its `model.bin`, empty where it is not pinned here. The margin that its windows need is looked
    up by it, as for any model (see `known_calibrations`).
    """

    repository: str
    english_only: bool = False
    cantonese: bool = False
    sha256: str = ""


WHISPER_SIZES: Mapping[str, WhisperSize] = {
    "tiny": WhisperSize("Systran/faster-whisper-tiny"),
    "tiny.en": WhisperSize(
        "Systran/faster-whisper-tiny.en",
        english_only=True,
        sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    ),
    "base": WhisperSize(
        "Systran/faster-whisper-base",
        sha256="d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
    ),
    "base.en": WhisperSize("Systran/faster-whisper-base.en", english_only=True),
    "small": WhisperSize("Systran/faster-whisper-small"),
    "small.en": WhisperSize("Systran/faster-whisper-small.en", english_only=True),
    "medium": WhisperSize("Systran/faster-whisper-medium"),
    "medium.en": WhisperSize("Systran/faster-whisper-medium.en", english_only=True),
    "large-v1": WhisperSize("Systran/faster-whisper-large-v1"),
    "large-v2": WhisperSize("Systran/faster-whisper-large-v2"),
    "large-v3": WhisperSize("Systran/faster-whisper-large-v3", cantonese=True),
    "large-v3-turbo": WhisperSize("mobiuslabsgmbh/faster-whisper-large-v3-turbo", cantonese=True),
    "distil-small.en": WhisperSize("Systran/faster-distil-whisper-small.en", english_only=True),
    "distil-medium.en": WhisperSize("Systran/faster-distil-whisper-medium.en", english_only=True),
    # Trained on English alone, though their vocabularies hold all languages.
    "distil-large-v2": WhisperSize("Systran/faster-distil-whisper-large-v2", english_only=True),
    "distil-large-v3": WhisperSize("Systran/faster-distil-whisper-large-v3", english_only=True),
    "distil-large-v3.5": WhisperSize("distil-whisper/distil-large-v3.5-ct2", english_only=True),
}

ALIASES: Mapping[str, str] = {"large": "large-v3", "turbo": "large-v3-turbo"}

SIZE_OF_REPOSITORY: Mapping[str, str] = {size.repository: name for name, size in WHISPER_SIZES.items()}
