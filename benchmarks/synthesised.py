"""Recordings for whoever has none: sentences said by the voice that the tests speak with."""

from __future__ import annotations

from benchmarks.recordings import Recording
from tests import speech

SENTENCES = (
    "The harbour was quiet in the early morning, and only a few boats had left for the open sea.",
    "She opened the window and listened to the rain.",
    "Nobody in the village remembered who had built the old stone bridge across the river.",
    "Please bring the letters to my office before noon, and ask the others to wait outside for a moment.",
    "The train was late again.",
    "After the meeting they walked along the shore and talked about the summer they had spent together.",
    "A good carpenter measures twice and cuts once.",
    "The library keeps maps of every county, and some of them are more than a hundred years old.",
    "He could not say why the garden looked so different in the light of the evening.",
    "Turn left at the church, follow the road down to the mill, and you will see our house on the hill.",
    "The doctor told him to rest for a week and to drink plenty of water.",
    "Every child in the class had drawn a picture of a ship under a yellow sun.",
    "We have no reason to believe that the weather will change before the end of the month.",
    "The kitchen smelled of fresh bread and coffee.",
    "When the music stopped, the dancers stood still, and then all of them began to laugh at the same time.",
    "The company will open a second factory in the north, where many people are looking for work.",
    "It was the longest journey of her life, and she would have started again the next day.",
    "Most of the answers were short, but one of them filled three pages.",
)


def synthesised() -> list[Recording]:
    """Each sentence as a recording of 1 to 7 s. What was said once is kept in the user's cache."""
    paths = [speech.spoken(sentence) for sentence in SENTENCES]
    return [Recording(path, sentence, speech.duration_s(path)) for path, sentence in zip(paths, SENTENCES, strict=True)]
