"""The languages of multilingual Whisper models: ISO 639-1 codes, and Whisper's own where there is none."""

from __future__ import annotations

from batchscribe_server.models.whisper_sizes import WhisperSize

CANTONESE = "yue"
"""Known since large-v3."""

MULTILINGUAL = (
    *("af", "am", "ar", "as", "az", "ba", "be", "bg", "bn", "bo", "br", "bs", "ca", "cs", "cy", "da", "de", "el"),
    *("en", "es", "et", "eu", "fa", "fi", "fo", "fr", "gl", "gu", "ha", "haw", "he", "hi", "hr", "ht", "hu", "hy"),
    *("id", "is", "it", "ja", "jw", "ka", "kk", "km", "kn", "ko", "la", "lb", "ln", "lo", "lt", "lv", "mg", "mi"),
    *("mk", "ml", "mn", "mr", "ms", "mt", "my", "ne", "nl", "nn", "no", "oc", "pa", "pl", "ps", "pt", "ro", "ru"),
    *("sa", "sd", "si", "sk", "sl", "sn", "so", "sq", "sr", "su", "sv", "sw", "ta", "te", "tg", "th", "tk", "tl"),
    *("tr", "tt", "uk", "ur", "uz", "vi", "yi", "yo", "zh"),
)


def languages_of(size: WhisperSize) -> tuple[str, ...]:
    """The languages of a published model, in alphabetical order."""
    if size.english_only:
        return ("en",)
    return tuple(sorted((*MULTILINGUAL, CANTONESE))) if size.cantonese else MULTILINGUAL
