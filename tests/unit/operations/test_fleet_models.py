"""The models that only other servers have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from batchscribe_server.domain.errors import JobFailure, ModelNotFoundError, Reason
from batchscribe_server.domain.model import Model, ModelSource
from batchscribe_server.operations.fleet_models import HEARD_WITHIN_S, REMEMBERED_S, RETRIED_AFTER_S, FleetModels
from batchscribe_server.operations.models import ModelElsewhereError

BASE = Model("base", ModelSource.PACKAGE, "/models/base", 1, ("en", "de"), default=True)
SMALL = Model("small", ModelSource.HUB, "", 0, ("en", "de"))
CALLS = Model("calls-de", ModelSource.PATH, "", 1, ("de",))


class OwnModels:
    """Those of a server."""

    def __init__(self, *models: Model) -> None:
        self.models = list(models)

    def list(self) -> Sequence[Model]:
        return self.models

    def get(self, name: str) -> Model:
        for model in self.models:
            if model.name == name or (model.default and not name):
                return model
        raise ModelNotFoundError(f"there is no model {name!r} on this server")

    async def resolve(self, name: str) -> Model:
        return self.get(name)


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def test_what_only_another_server_has_can_be_asked_for() -> None:
    models = FleetModels(OwnModels(BASE, SMALL), alone=False, clock_s=Clock())
    models.learn([CALLS, replace(BASE, default=False)])
    elsewhere = replace(CALLS, source=ModelSource.REPLICA)
    assert models.list() == [BASE, SMALL, elsewhere]
    assert models.get("calls-de") == elsewhere
    assert models.get("base") == models.get("") == BASE
    with pytest.raises(ModelNotFoundError):
        models.get("unheard-of")


def test_a_server_lacks_what_it_neither_has_nor_can_download() -> None:
    clock = Clock()
    own = OwnModels(BASE, SMALL)
    models = FleetModels(own, alone=False, clock_s=clock)
    assert models.lacking == frozenset()
    models.learn([BASE, replace(SMALL, source=ModelSource.HUB_CACHE), CALLS])
    assert models.lacking == {"calls-de"}
    clock.now_s += REMEMBERED_S - 1
    models.learn([])  # whoever had it may only be starting again
    assert models.lacking == {"calls-de"}
    clock.now_s += 2
    models.learn([])
    assert models.lacking == frozenset()
    own.models.append(CALLS)
    models.learn([CALLS])
    assert models.lacking == frozenset()


def test_a_server_tells_of_the_models_whose_files_it_has() -> None:
    offered = FleetModels(OwnModels(BASE, SMALL), alone=False).offered()
    assert offered == (replace(BASE, path="", default=False),)


async def test_a_job_whose_model_is_not_known_is_left_to_others_for_an_hour() -> None:
    clock = Clock()
    models = FleetModels(OwnModels(BASE), alone=False, clock_s=clock)
    assert await models.resolve("") == BASE
    with pytest.raises(ModelElsewhereError):
        await models.resolve("calls-de")
    assert models.lacking == {"calls-de"}
    clock.now_s += REMEMBERED_S
    assert models.lacking == frozenset()
    with pytest.raises(JobFailure) as failure:
        await models.resolve("calls-de")
    assert failure.value.reason is Reason.MODEL_UNAVAILABLE
    # Others that ask for it later begin anew.
    with pytest.raises(ModelElsewhereError):
        await models.resolve("calls-de")


async def test_a_model_that_others_have_is_never_given_up() -> None:
    clock = Clock()
    models = FleetModels(OwnModels(BASE), alone=False, clock_s=clock)
    for _ in range(3):
        models.learn([CALLS])
        with pytest.raises(ModelElsewhereError):
            await models.resolve("calls-de")
        clock.now_s += REMEMBERED_S


async def test_a_server_without_others_fails_what_it_cannot_run() -> None:
    models = FleetModels(OwnModels(BASE), alone=True)
    with pytest.raises(JobFailure) as failure:
        await models.resolve("calls-de")
    assert failure.value.reason is Reason.MODEL_UNAVAILABLE
    assert models.lacking == frozenset()


DAMAGED = JobFailure(Reason.MODEL_UNAVAILABLE, "its files are damaged")


def test_a_model_that_cannot_be_loaded_is_left_to_others_and_not_offered() -> None:
    clock = Clock()
    models = FleetModels(OwnModels(BASE, CALLS), alone=False, clock_s=clock)
    models.learn([BASE])
    for wanted in ("", "base"):
        with pytest.raises(ModelElsewhereError):
            models.load_failed(wanted, BASE, DAMAGED)
    assert models.lacking == {"", "base"}
    assert [model.name for model in models.offered()] == ["calls-de"]
    assert not models.default_loads
    assert models.problem == "base can't be loaded: its files are damaged"
    clock.now_s += RETRIED_AFTER_S
    models.learn([BASE])
    assert models.lacking == frozenset()  # a job tries it again
    assert not models.default_loads
    models.loaded(BASE)
    assert models.default_loads
    assert models.problem == ""
    assert [model.name for model in models.offered()] == ["base", "calls-de"]


def test_jobs_fail_where_no_other_server_has_the_model_once_it_would_have_been_heard_of() -> None:
    clock = Clock()
    models = FleetModels(OwnModels(BASE, CALLS), alone=False, clock_s=clock)
    with pytest.raises(ModelElsewhereError):
        models.load_failed("calls-de", CALLS, DAMAGED)
    assert models.lacking == {"calls-de"}
    assert models.default_loads
    clock.now_s += HEARD_WITHIN_S
    assert models.lacking == frozenset()
    models.load_failed("calls-de", CALLS, DAMAGED)
    assert models.lacking == frozenset()


def test_a_server_alone_tells_of_a_model_that_cannot_be_loaded_and_goes_on() -> None:
    models = FleetModels(OwnModels(BASE), alone=True)
    models.load_failed("", BASE, DAMAGED)
    assert models.problem
    assert models.lacking == frozenset()
    assert models.default_loads


def test_what_is_wrong_with_a_file_says_nothing_of_its_model() -> None:
    models = FleetModels(OwnModels(BASE), alone=False)
    models.load_failed("", BASE, JobFailure(Reason.DECODE_FAILED, "damaged"))
    assert (models.problem, models.lacking) == ("", frozenset())


def test_jobs_fail_and_the_server_serves_where_no_other_one_can_load_the_model_either() -> None:
    clock = Clock()
    models = FleetModels(OwnModels(BASE), alone=False, clock_s=clock)
    models.learn([BASE])
    with pytest.raises(ModelElsewhereError):
        models.load_failed("", BASE, DAMAGED)
    clock.now_s += HEARD_WITHIN_S
    models.learn([])  # the other one has found the same
    models.load_failed("", BASE, DAMAGED)
    assert models.lacking == frozenset()
    assert models.default_loads
    assert models.problem
