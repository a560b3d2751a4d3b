"""The container formats that a worker opens, by FFmpeg's names for their demuxers.

A list of what is allowed, not of what is forbidden: playlists and session descriptions (hls, concat, dash, sdp, rtsp),
image sequences, capture devices and virtual inputs (lavfi) name other files, hosts or devices, and whatever FFmpeg
learns next is not trusted before it was looked at. None of these opens anything but the file it was given.
"""

from __future__ import annotations

ALLOWED_DEMUXERS = (
    # containers of sound and video
    "asf",
    "avi",
    "flv",
    "matroska",
    "mov",
    "mpeg",
    "mpegts",
    "mxf",
    "nut",
    "ogg",
    "rm",
    # files of sound
    "aiff",
    "ape",
    "au",
    "caf",
    "dsf",
    "dss",
    "ircam",
    "mpc",
    "mpc8",
    "nistsphere",
    "qcp",
    "shn",
    "sox",
    "tak",
    "tta",
    "voc",
    "w64",
    "wav",
    "wv",
    # bare streams of one codec
    "aac",
    "ac3",
    "amr",
    "amrnb",
    "amrwb",
    "dts",
    "eac3",
    "flac",
    "g722",
    "g729",
    "gsm",
    "loas",
    "mp3",
    "truehd",
)

GUESSED_DEMUXERS = frozenset({"aac", "ac3", "dts", "eac3", "loas", "mp3", "truehd"})
"""Bare streams that nothing marks but a few bits here and there, which raw samples may hold by chance."""

DEMUXER_OF_SUFFIX = {".g722": "g722", ".g729": "g729", ".gsm": "gsm"}
"""Telephony streams without any header: only the name of the file tells what they are."""
