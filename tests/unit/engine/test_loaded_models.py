import threading
from pathlib import Path

import pytest

from batchscribe_engine.inference.errors import ModelUnavailableError
from batchscribe_engine.inference.models import LoadedModels
from batchscribe_engine.messages import ModelSpec


class Weights:
    """Something that was loaded and can be closed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def spec(tmp_path: Path):
    def make(name: str, size_bytes: int = 100) -> ModelSpec:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "model.bin").write_bytes(bytes(size_bytes))
        return ModelSpec(name, str(folder))

    return make


def names(models: LoadedModels[Weights]) -> list[str]:
    return [model.name for model in models.loaded()]


def loader(spec: ModelSpec) -> Weights:
    return Weights(spec.name)


def test_a_model_is_loaded_once(spec) -> None:
    models = LoadedModels(loader)
    with models.lent(spec("a")) as first, models.lent(spec("a")) as second:
        assert first is second
    with models.lent(spec("a")) as third:
        assert third is first
    assert [(model.name, model.memory_bytes) for model in models.loaded()] == [("a", 100)]


def test_the_model_unused_for_longest_makes_room(spec) -> None:
    clock = Clock()
    models = LoadedModels(loader, memory_budget_bytes=250, clock=clock)
    lent = {}
    for name in ("a", "b", "a", "c"):
        clock.now_s += 1
        with models.lent(spec(name)) as lent[name]:
            pass
    assert names(models) == ["a", "c"]
    assert lent["b"].closed.is_set()
    assert not lent["a"].closed.is_set()


def test_a_lent_model_is_never_closed_and_the_next_waits_for_it(spec) -> None:
    models = LoadedModels(loader, memory_budget_bytes=150)
    second_loaded = threading.Event()

    def use_second() -> None:
        with models.lent(spec("second")):
            second_loaded.set()

    with models.lent(spec("first")) as first:
        waiting = threading.Thread(target=use_second)
        waiting.start()
        assert not second_loaded.wait(0.1)
        assert not first.closed.is_set()
    assert second_loaded.wait(5)
    waiting.join(5)
    assert first.closed.is_set()
    assert names(models) == ["second"]


def test_a_model_beyond_the_budget_is_refused_in_plain_words(spec) -> None:
    models = LoadedModels(loader, memory_budget_bytes=1024 * 1024)
    refused = pytest.raises(ModelUnavailableError, match="model big takes about 2 MiB of memory, and 1 MiB are allowed")
    with refused, models.lent(spec("big", 2 * 1024 * 1024)):
        pass


def test_a_missing_model_is_refused(tmp_path: Path) -> None:
    models = LoadedModels(loader)
    refused = pytest.raises(ModelUnavailableError, match=r"no model\.bin")
    with refused, models.lent(ModelSpec("gone", str(tmp_path / "gone"))):
        pass


def test_a_failed_load_leaves_the_way_free(spec) -> None:
    broken = True

    def load(spec: ModelSpec) -> Weights:
        if broken:
            raise ModelUnavailableError("it is broken")
        return Weights(spec.name)

    models = LoadedModels(load)
    with pytest.raises(ModelUnavailableError), models.lent(spec("a")):
        pass
    assert (models.loading, names(models)) == ("", [])
    broken = False
    with models.lent(spec("a")) as model:
        assert model.name == "a"


def test_one_model_is_loaded_at_a_time_and_named(spec) -> None:
    go_on = threading.Event()
    loading = threading.Semaphore(0)

    def load(spec: ModelSpec) -> Weights:
        loading.release()
        assert go_on.wait(5)
        return Weights(spec.name)

    models = LoadedModels(load)

    def use(name: str) -> None:
        with models.lent(spec(name)):
            pass

    threads = [threading.Thread(target=use, args=(name,)) for name in ("a", "b", "a")]
    for thread in threads:
        thread.start()
    assert loading.acquire(timeout=5)
    assert models.loading in ("a", "b")
    assert models.loaded() == ()  # answers while a model is being loaded
    assert not loading.acquire(timeout=0.1)
    go_on.set()
    for thread in threads:
        thread.join(5)
    assert sorted(names(models)) == ["a", "b"]
    assert models.loading == ""
    assert loading.acquire(timeout=0)
    assert not loading.acquire(timeout=0), "each model is loaded once"


def test_idle_models_are_closed_and_busy_ones_kept(spec) -> None:
    clock = Clock()
    models = LoadedModels(loader, clock=clock)
    with models.lent(spec("idle")) as idle:
        pass
    with models.lent(spec("busy")):
        clock.now_s = 9
        models.close_idle(10)
        assert names(models) == ["idle", "busy"]
        clock.now_s = 10
        models.close_idle(10)
        assert names(models) == ["busy"]
    assert idle.closed.is_set()
    models.close_idle(10)
    assert names(models) == ["busy"], "it has just been used"
