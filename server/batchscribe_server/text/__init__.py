"""What is done to the text before it is stored and streamed. This package is a `TextEditing`.

The steps are pure functions of a segment, its text and words edited as one, and follow each other in this order:

1. suppressed    phrases that the model makes up and nobody says are not there for any step
2. disfluencies  "twenty, um, five" must be "twenty five" before it can be 25
3. formatting    numbers in figures
4. replacements  the client's own wording, which no step for everybody changes again
5. profanity     also what a replacement writes
6. redaction     last, so that nothing that is hidden comes from any other step

Formatting and redaction remember how the segment before ended, as a pause may cut a number.
"""

from batchscribe_server.text.editor import editor, gaps, problems

__all__ = ["editor", "gaps", "problems"]
