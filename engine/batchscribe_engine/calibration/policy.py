"""Which margin a model gets, from what was measured.

The material is small, some hundreds of words, so a margin has to show that it does no harm: that none was seen is not
enough. It passes when

- its error exceeds that of full windows by no more than `TOLERANCE`, chance allowed for. Both are measured on the same
  words, so only those that came out differently matter. Were each segment changed by luck alone, for better or worse,
  the errors would differ by about the root of the sum of the segments' squared changes: one standard deviation. (The
  variants of one segment are no independent witnesses, so their changes are added up before they are squared.) That
  much is put on top, so a margin that is worse by the whole tolerance passes one time in six. Without references every
  changed word is taken for an error, which is the worst that it can be, and more of them are allowed;
- it makes few segments doubted beyond those that are doubted with every margin, as speech of bad quality is. Checks are
  heuristics: a margin that lives on them harms where they see nothing;
- it costs less than full windows, second decodings included.

Of seven margins one would pass by luck more often than any one would. So they are tried from the largest down until one
fails, and what lies below is not looked at, however well it did: testing in an order that was fixed beforehand needs no
correction for the number of tests (Maurer, Hothorn and Lehmacher 1995), and harm grows as the margin shrinks. Of those
that passed the cheapest is taken.

What no statistics mend: a kind of speech that is not in the material. A failure that befalls one segment in twenty is
missed in 20 segments one time in three.
"""

from __future__ import annotations

from batchscribe_engine.calibration.figures import Measured, WindowFigures

MIN_SPEECH_S = 60.0
MIN_SEGMENTS = 10
"""Less speech than this shows nothing."""

TOLERANCE = 0.01
"""How much more of the words may be wrong than in full windows, chance allowed for."""

TOLERANCE_OF_CHANGE = 0.02
"""How many words may come out differently where nobody knows which are right."""

MAX_EXTRA_DOUBTED = 0.10
"""The share of segments that may be doubted beyond that of the margin with the fewest."""


def is_enough(segments: int, speech_s: float) -> bool:
    """Whether there is enough speech to choose a margin by."""
    return speech_s >= MIN_SPEECH_S and segments >= MIN_SEGMENTS


def chosen_margin_s(measured: Measured) -> float | None:
    """The margin in seconds, or None for full windows."""
    if not measured.margins or not is_enough(measured.segments, measured.speech_s):
        return None
    least_doubted = min(figures.doubted for figures in measured.margins)
    passed: list[tuple[float, float]] = []
    for margin_s, figures in _largest_first(measured):
        harmless = _excess(figures, measured) <= TOLERANCE if measured.has_references else _unchanged(figures)
        if not harmless or figures.doubted > least_doubted + MAX_EXTRA_DOUBTED:
            break
        if figures.cost < measured.full.cost:
            passed.append((figures.cost, margin_s))
    return min(passed)[1] if passed else None


def _largest_first(measured: Measured) -> list[tuple[float, WindowFigures]]:
    return sorted(((float(figures.margin_s), figures) for figures in measured.margins), reverse=True, key=_margin)


def _margin(each: tuple[float, WindowFigures]) -> float:
    return each[0]


def _excess(figures: WindowFigures, measured: Measured) -> float:
    return figures.checked_error - measured.full.checked_error + figures.spread


def _unchanged(figures: WindowFigures) -> bool:
    return figures.changed <= TOLERANCE_OF_CHANGE
