"""The port to the diarizer: a file in, who speaks when out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from batchscribe_server.domain.party import NOBODY, Party
from batchscribe_server.domain.recognition import Diarization
from batchscribe_server.domain.speakers import SpeakerTurn


@dataclass(frozen=True, slots=True)
class DiarizationRequest:
    """One file whose voices are to be told apart; path, name and offsets as for a `TranscriptionRequest`.

    Turns at the diarizer go round by `party`.
    """

    job_id: str
    descriptor: int
    diarization: Diarization
    file_name: str = ""
    separate_channels: bool = False
    start_offset_ms: int = 0
    end_offset_ms: int = 0
    party: Party = NOBODY
    priority: int = 0


class DiarizationFailure(Exception):  # noqa: N818 - not an error of the program but what befell one file
    """Voices can't be told apart: a stable reason, and plain words that say why and what to do."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


FAILED = "DIARIZATION_FAILED"
TOO_LONG = "DIARIZATION_TOO_LONG"
UNAVAILABLE = "DIARIZATION_UNAVAILABLE"
HOW_TO_GET_IT = "install batchscribe[diarization] on the server"


class Diarizer(Protocol):
    """Whoever tells voices apart, as the operations see it."""

    @property
    def available(self) -> bool:
        """Whether what it needs is installed."""
        ...

    async def speakers(self, request: DiarizationRequest) -> Sequence[SpeakerTurn]:
        """The turns of one file, speakers numbered as they appear. Raises DiarizationFailure.

        Cancelling the call gives the file up. Raises TranscriberClosedError where the server goes down meanwhile.
        """
        ...

    def prioritize(self, job_id: str, priority: int) -> None:
        """Give a job's file, if it waits here, another priority."""
        ...
