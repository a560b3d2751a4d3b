# make demo   see it work          make test   run the tests        make check  format, lint, types, imports, protos
# make proto  regenerate stubs     make bench  speed and accuracy beside faster-whisper
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STUBS := clients/python/batchscribe/v1
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo test test-slow check check-wheel proto bench bench-queue clean
.DEFAULT_GOAL := demo

$(BIN)/.demo: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[server,models,speech]'
	touch $@

$(BIN)/.dev: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ $(BIN)/.demo

demo: $(BIN)/.demo
	$(BIN)/python scripts/demo.py

test: $(BIN)/.dev
	$(BIN)/python -m pytest -m 'not slow'

test-slow: $(BIN)/.dev
	$(BIN)/python -m pytest -m slow

check: $(BIN)/.dev
	ruff format --check .
	ruff check .
	mypy
	lint-imports
	buf lint
	buf format --diff --exit-code protos
	scripts/check_breaking.sh
	scripts/check_stubs.sh

check-wheel: $(BIN)/.dev
	scripts/check_wheel.sh

proto: $(BIN)/.dev
	buf format --write protos
	rm -rf $(STUBS)
	buf generate

bench: $(BIN)/.dev
	$(BIN)/python -m benchmarks.word_error_rate $(SPEECH)

bench-queue: $(BIN)/.dev
	$(BIN)/python -m benchmarks.shared_memory

clean:
	rm -rf $(VENV) .build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist
