"""What the RPCs call: the store and the operations, built by the composition root."""

from __future__ import annotations

from dataclasses import dataclass

from batchscribe_server.domain.retention import RetentionPolicy
from batchscribe_server.operations.delete import Delete
from batchscribe_server.operations.diarizer import Diarizer
from batchscribe_server.operations.models import Models
from batchscribe_server.operations.read_transcript import ReadTranscript
from batchscribe_server.operations.store import Store
from batchscribe_server.operations.submit import Submit
from batchscribe_server.operations.transcriber import Transcriber
from batchscribe_server.operations.upload import Upload
from batchscribe_server.operations.wait import WaitForJob
from batchscribe_server.operations.watch import Watch
from batchscribe_server.operations.why_waiting import WhyWaiting


@dataclass(frozen=True, slots=True)
class Services:
    """All that the RPCs reach; they build nothing themselves."""

    store: Store
    submit: Submit
    delete: Delete
    retention: RetentionPolicy
    watch: Watch
    wait: WaitForJob
    read_transcript: ReadTranscript
    upload: Upload
    models: Models
    diarizer: Diarizer
    transcriber: Transcriber

    @property
    def why_waiting(self) -> WhyWaiting:
        """Why nothing runs of what waits."""
        return WhyWaiting(self.store, self.transcriber)


@dataclass(frozen=True, slots=True)
class RpcLimits:
    """What clients may ask of the transport. An upload is cut off when nothing comes for `upload_silence_s`.

    A client may ping every `min_ping_interval_s`, also without a call; the server pings an idle connection every
    `keepalive_s` and gives it up when no answer comes within `keepalive_timeout_s`. Of `max_connections` (0 for any
    number) one that has not said what it speaks after `greeting_s` is closed.
    """

    max_receive_bytes: int = 4 << 20
    max_send_bytes: int = 16 << 20
    max_concurrent_streams: int = 1_000
    keepalive_s: float = 30.0
    keepalive_timeout_s: float = 10.0
    min_ping_interval_s: float = 10.0
    upload_silence_s: float = 60.0
    max_connections: int = 0
    greeting_s: float = 20.0
