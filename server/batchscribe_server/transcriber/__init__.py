"""The server's one client of the engine: a file goes in, its segments come out in order.

It owns the arena and every slot of it, keeps the media workers and an inference process for each device running, and
lets the segments of all open files meet in one pool. No heavy library is loaded here, and no audio passes through: only
messages that name slots.

The life of a segment:

    media worker          here                                             inference process
    SlotWanted       ->   slots: FREE, granted in fair order (FILLING)
    fills the slot   <-   SlotGranted
    SegmentReady     ->   session: numbered, its language known or to find
                          pool: waits among the segments of all files
                          batcher: of like length, turn by turn       ->   InferBatch (READING)
                          watchdog: its deadline runs                 <-   BatchStarted
                          session: in file time, in order             <-   BatchDone
                          slots: FREE
                          reader: HeardSegment

What can happen to it on the way:

- Its worker dies: the file goes on with another worker at the first segment that was not received; a file that kills
  `max_crashes` workers fails.
- The engine dies or hangs: `blame` sends the batches that had been started again in halves, one at a time, until the
  segment that kills is alone; its file fails, and no other. With several engines the next attempt is another one's.
- Its language turns out to be another one than the file's: it is decoded again from its slot, which was kept.
- Its file is closed: it leaves the pool at once, or is dropped when the engine is done with it.
- Its reader is slow: it waits in the session, and with `MAX_UNREAD` of them the file is granted no further slot, so
  the worker waits and the file is not read on.

`slots` says why files cannot block each other; the batcher's law says that no segment is lost, doubled or passed over.
"""

from batchscribe_server.transcriber.commands import EngineOptions, MediaOptions, engine_argv, engine_argvs, media_argv
from batchscribe_server.transcriber.local import LocalTranscriber, TranscriberConfig
from batchscribe_server.transcriber.media_pool import WorkerLimits

__all__ = [
    "EngineOptions",
    "LocalTranscriber",
    "MediaOptions",
    "TranscriberConfig",
    "WorkerLimits",
    "engine_argv",
    "engine_argvs",
    "media_argv",
]
