"""What people see of the events of a job or a batch, and what programs see."""

from __future__ import annotations

from typing import Protocol, TypeVar, assert_never

from batchscribe.cli.command import json_line
from batchscribe.cli.pace import Pace
from batchscribe.cli.printing import result_line
from batchscribe.cli.screen import Screen
from batchscribe.cli.wording import clock, file_name, moment, named_input, speed
from batchscribe.times import seconds_of, unix_seconds_of
from batchscribe.v1.event_pb2 import BatchEvent, BatchJobChange, JobEvent, StateChange
from batchscribe.v1.state_pb2 import STATE_CANCELLED, STATE_FAILED, STATE_RUNNING, STATE_SUCCEEDED, Counts

EventT_contra = TypeVar("EventT_contra", JobEvent, BatchEvent, contravariant=True)


class View(Protocol[EventT_contra]):
    """Shows events as they come."""

    def show(self, event: EventT_contra) -> None:
        """Show one."""
        ...


class JsonView:
    """Every event as a line of JSON on standard output."""

    def show(self, event: JobEvent | BatchEvent) -> None:
        result_line(json_line(event))


class JobView:
    """A job's segments as lines, its progress as a bar. `segments_to_stdout` where they are the command's result."""

    def __init__(self, screen: Screen, label: str = "", *, segments_to_stdout: bool) -> None:
        self._screen = screen
        self._label = label
        self._segments_to_stdout = segments_to_stdout
        self._pace = Pace()
        self._waiting = _Waiting(screen)
        self._done = (0.0, 0.0)  # seconds of audio, and progress: what was told last

    def show(self, event: JobEvent) -> None:
        time_s = unix_seconds_of(event.event_time)
        match event.WhichOneof("event"):
            case "snapshot":
                job = event.snapshot
                self._label = self._label or file_name(named_input(job) or job.input.uri) or job.name
                if job.HasField("start_time"):
                    self._pace.begin(unix_seconds_of(job.start_time))
                elif job.queue_position:
                    self._screen.line(f"{job.name} waits at place {job.queue_position}")
                self._waiting.show(job.waiting_reason)
            case "progress":
                self._show_progress(
                    time_s,
                    event.progress.progress,
                    seconds_of(event.progress.processed_duration),
                    seconds_of(event.progress.audio_duration),
                )
            case "segment":
                segment = event.segment
                times = f"[{moment(seconds_of(segment.start))} - {moment(seconds_of(segment.end))}]"
                self._screen.line(f"{times}  {segment.text.strip()}", to_stdout=self._segments_to_stdout, is_prose=True)
            case "state_change":
                self._show_state(time_s, event.state_change)
            case "heartbeat":
                self._waiting.show(event.heartbeat.waiting_reason)
            case None:
                pass
            case other:
                assert_never(other)

    def _show_progress(self, time_s: float, progress: float, done_s: float, total_s: float) -> None:
        self._done = done_s, progress
        note = f"{clock(done_s)} / {clock(total_s) if total_s else '?'}" + pace_note(
            self._pace, time_s, done_s, progress
        )
        self._screen.progress(self._label, progress, note)

    def _show_state(self, time_s: float, change: StateChange) -> None:
        if change.state == STATE_RUNNING:
            self._pace.begin(time_s, *self._done)
            if change.attempt > 1:
                self._screen.line(f"{self._label}: attempt {change.attempt}")
        elif change.state == STATE_FAILED:
            self._screen.line(f"{self._label}: failed: {change.error.message} ({change.error.reason})")
        elif change.state == STATE_CANCELLED:
            self._screen.line(f"{self._label}: cancelled")
        elif change.HasField("error"):
            self._screen.line(f"{self._label}: waits: {change.error.message} ({change.error.reason})")


class _Waiting:
    """Why nothing runs, said once as long as it stays the same."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._said = ""

    def show(self, reason: str) -> None:
        if reason and reason != self._said:
            self._screen.line(f"waiting: {reason}")
        self._said = reason


class BatchView:
    """A line for each file that ends, and one bar for the audio of all."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._label = ""
        self._pace = Pace()
        self._waiting = _Waiting(screen)
        self._done = (0.0, 0.0)  # seconds of audio, and progress: what was told last

    def show(self, event: BatchEvent) -> None:
        time_s = unix_seconds_of(event.event_time)
        match event.WhichOneof("event"):
            case "snapshot":
                # Its name is as long as half a line, and was printed or typed just before.
                self._label = event.snapshot.display_name or "batch"
                if event.snapshot.HasField("start_time"):
                    self._pace.begin(unix_seconds_of(event.snapshot.start_time))
                self._waiting.show(event.snapshot.waiting_reason)
            case "progress":
                self._show_progress(time_s, event.progress.progress, event.progress.counts)
            case "job_change":
                self._show_file(event.job_change)
            case "state_change":
                self._show_state(time_s, event.state_change)
            case "heartbeat":
                self._waiting.show(event.heartbeat.waiting_reason)
            case None:
                pass
            case other:
                assert_never(other)

    def _show_progress(self, time_s: float, progress: float, counts: Counts) -> None:
        done_s = seconds_of(counts.audio_done)
        self._done = done_s, progress
        note = files_note(counts) + f"  {clock(done_s)} of audio" + pace_note(self._pace, time_s, done_s, progress)
        self._screen.progress(self._label, progress, note)

    def _show_file(self, change: BatchJobChange) -> None:
        match change.state:
            case _ if change.state == STATE_SUCCEEDED:
                self._screen.line(f"done       {named_input(change)}")
            case _ if change.state == STATE_FAILED:
                self._screen.line(f"failed     {named_input(change)}: {change.error.message} ({change.error.reason})")
            case _ if change.state == STATE_CANCELLED:
                self._screen.line(f"cancelled  {named_input(change)}")
            case _ if change.HasField("error"):
                self._screen.line(f"waits      {named_input(change)}: {change.error.message} ({change.error.reason})")

    def _show_state(self, time_s: float, change: StateChange) -> None:
        if change.state == STATE_RUNNING:
            self._pace.begin(time_s, *self._done)
        elif change.state == STATE_FAILED:
            self._screen.line(f"{self._label}: failed: {change.error.message} ({change.error.reason})")


def files_note(counts: Counts) -> str:
    """The files of a batch by state: `12/40 files, 1 failed, 4 running`."""
    note = f"{counts.succeeded}/{counts.total} files"
    for number, word in ((counts.failed, "failed"), (counts.cancelled, "cancelled"), (counts.running, "running")):
        if number:
            note += f", {number} {word}"
    return note


def pace_note(pace: Pace, time_s: float, done_s: float, progress: float) -> str:
    """Speed and time left, where they can be told: `  52x real time  0:42 left`."""
    times_real_time = pace.speed(time_s, done_s)
    left_s = pace.left_s(time_s, progress)
    note = f"  {speed(times_real_time)}" if times_real_time is not None else ""
    return note + (f"  {clock(left_s)} left" if left_s is not None and progress < 1 else "")
