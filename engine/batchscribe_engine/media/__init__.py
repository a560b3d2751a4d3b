"""The media worker: a child process that turns one media file after the other into speech segments.

    file → decoder → blocks of 16 kHz mono → voice_activity → probabilities → segmenter → segments → slots of the arena

Media is hostile input, so it is only ever opened here: in a process that holds no secret, has limits on memory and
processor time, and can be killed at any moment without a loss. `decoder` alone imports av. All of it streams, so the
length of a file costs no memory.
"""
