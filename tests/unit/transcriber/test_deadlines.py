"""The watchdog: patience by what was learned, and time only as it is told."""

from __future__ import annotations

from batchscribe_server.transcriber.deadlines import Watchdog, WatchdogLimits

LIMITS = WatchdogLimits(factor=10.0, floor_s=2.0, first_guess=1.0, heartbeat_s=30.0, start_s=100.0)


def test_a_batch_of_an_unknown_model_may_take_the_guess_times_the_factor():
    watchdog = Watchdog(LIMITS)
    watchdog.started(1, "base", padded_s=5.0)

    watchdog.passed(50.0, waiting=False)
    assert watchdog.overdue() == ()
    watchdog.passed(1.0, waiting=False)
    assert watchdog.overdue() == (1,)


def test_what_was_learned_of_a_model_shortens_its_deadline_down_to_the_floor():
    watchdog = Watchdog(LIMITS)
    watchdog.learn("base", padded_s=100.0, elapsed_s=4.0)
    watchdog.started(1, "base", padded_s=20.0)
    watchdog.started(2, "base", padded_s=1.0)

    watchdog.passed(2.5, waiting=False)
    assert watchdog.overdue() == (2,)
    watchdog.passed(6.0, waiting=False)
    assert watchdog.overdue() == (1, 2)


def test_one_slow_short_batch_does_not_spoil_what_was_learned():
    watchdog = Watchdog(LIMITS)
    for _ in range(10):
        watchdog.learn("base", padded_s=80.0, elapsed_s=4.0)
    watchdog.learn("base", padded_s=1.0, elapsed_s=2.0)
    watchdog.started(1, "base", padded_s=80.0)

    watchdog.passed(45.0, waiting=False)
    assert watchdog.overdue() == (1,)


def test_models_are_learned_apart():
    watchdog = Watchdog(LIMITS)
    watchdog.learn("base", padded_s=100.0, elapsed_s=4.0)
    watchdog.started(1, "large", padded_s=5.0)

    watchdog.passed(49.0, waiting=False)
    assert watchdog.overdue() == ()


def test_a_batch_that_was_answered_is_never_overdue():
    watchdog = Watchdog(LIMITS)
    watchdog.started(1, "base", padded_s=1.0)
    watchdog.done(1)

    watchdog.passed(1000.0, waiting=False)
    assert watchdog.overdue() == ()


def test_the_heartbeat_is_lost_after_silence_only():
    watchdog = Watchdog(LIMITS)
    watchdog.passed(29.0, waiting=False)
    watchdog.alive()
    watchdog.passed(30.0, waiting=False)
    assert not watchdog.silent
    watchdog.passed(1.0, waiting=False)
    assert watchdog.silent


def test_an_engine_that_starts_nothing_of_what_it_has_is_stuck():
    watchdog = Watchdog(LIMITS)
    watchdog.passed(1000.0, waiting=False)
    assert not watchdog.stuck
    watchdog.passed(100.0, waiting=True)
    assert not watchdog.stuck
    watchdog.passed(1.0, waiting=True)
    assert watchdog.stuck


def test_a_batch_that_waits_behind_a_running_one_does_not_make_the_engine_stuck():
    watchdog = Watchdog(LIMITS)
    watchdog.started(1, "base", padded_s=1000.0)
    watchdog.passed(500.0, waiting=True)
    assert not watchdog.stuck


def test_a_new_engine_starts_with_a_clean_slate_and_the_old_ones_speed():
    watchdog = Watchdog(LIMITS)
    watchdog.learn("base", padded_s=100.0, elapsed_s=4.0)
    watchdog.started(1, "base", padded_s=1.0)
    watchdog.passed(1000.0, waiting=True)
    watchdog.reset()

    assert not watchdog.silent
    assert watchdog.overdue() == ()
    watchdog.started(2, "base", padded_s=1.0)
    watchdog.passed(2.1, waiting=False)
    assert watchdog.overdue() == (2,)


def test_a_load_that_takes_too_long_is_a_hang_whatever_else_goes_on():
    watchdog = Watchdog(LIMITS)
    watchdog.loading("large")
    for batch_id in range(25):
        watchdog.started(batch_id, "base", padded_s=5.0)
        watchdog.passed(5.0, waiting=True)
        watchdog.loading("large")
        watchdog.done(batch_id)
        assert watchdog.hung_load == ("large" if batch_id >= 20 else "")

    assert (watchdog.stuck, watchdog.overdue()) == (False, ())


def test_each_load_has_its_own_time():
    watchdog = Watchdog(LIMITS)
    watchdog.loading("large")
    watchdog.passed(90.0, waiting=False)
    watchdog.loading("base")
    watchdog.passed(90.0, waiting=False)
    assert watchdog.hung_load == ""
    watchdog.loading("")
    watchdog.passed(200.0, waiting=False)
    assert watchdog.hung_load == ""


def test_a_new_engine_loads_nothing():
    watchdog = Watchdog(LIMITS)
    watchdog.loading("large")
    watchdog.passed(101.0, waiting=False)
    watchdog.reset()
    watchdog.loading("large")

    assert watchdog.hung_load == ""
