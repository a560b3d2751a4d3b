# make demo   see it work (demo-s3: on buckets; demo-replicas: three servers behind Envoy, one of which is killed)
# make test   run the tests        make check  format, lint, types, imports, protos
# make proto  regenerate stubs     make bench  speed, accuracy and memory beside faster-whisper and WhisperS2T
#   make bench SPEECH=folder BENCH='--model base tiny.en --beam 1 5 --word-times both --save NAME'
#   make whisper-s2t  gives WhisperS2T, which brings PyTorch (5 GB), an environment of its own, for make bench to find
# make diarization  gives the tests of voices, which are skipped otherwise, and their measurements an environment of
#   their own (3 GB: it brings PyTorch; TORCH='torch --index-url …' for a smaller build), and runs these tests
# make check-deploy  lints the images, the compose file and the chart, and holds them against the server
# make lock-image    pins what the images install
# make azurite  gives the tests of az:// URIs, which are skipped otherwise, a server to talk to; needs npm
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
AZURITE := .build/azurite
DIARIZATION := .build/diarization
TORCH ?= torch
STUBS := clients/python/batchscribe/v1
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo demo-s3 demo-replicas test test-slow check check-wheel check-deploy lock-image proto bench bench-queue whisper-s2t diarization azurite clean
.DEFAULT_GOAL := demo

$(BIN)/.demo: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[server,models,speech]'
	touch $@

$(BIN)/.dev: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ $(BIN)/.demo

$(BIN)/.deploy-checks: pyproject.toml | $(BIN)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,deploy-checks]'
	touch $@

demo: $(BIN)/.demo
	$(BIN)/python -m scripts.demo

# Its S3 server comes with the tools of development.
demo-s3: $(BIN)/.dev
	$(BIN)/python -m scripts.demo_s3

demo-replicas: $(BIN)/.dev
	$(BIN)/python -m scripts.demo_replicas

# Two at a time, a file's tests together: they share what it starts.
PYTEST := $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --durations 20

test: $(BIN)/.dev
	$(PYTEST) -m 'not slow'

test-slow: $(BIN)/.dev
	$(PYTEST) -m slow

check: $(BIN)/.dev
	ruff format --check .
	ruff check .
	mypy
	lint-imports
	buf lint
	buf format --diff --exit-code protos
	scripts/check_breaking.sh
	scripts/check_stubs.sh
	$(BIN)/python scripts/envoy_files.py --check
	$(BIN)/python -m scripts.openapi --check

check-wheel: $(BIN)/.dev
	scripts/check_wheel.sh

check-deploy: $(BIN)/.deploy-checks
	yamllint --strict --config-file deploy/.yamllint.yaml deploy
	hadolint deploy/docker/Dockerfile deploy/docker/Dockerfile.cuda
	check-jsonschema --builtin-schema vendor.compose-spec deploy/compose/compose.yaml
	check-jsonschema --check-metaschema deploy/helm/batchscribe/values.schema.json
	$(BIN)/python -m pytest tests/unit/deploy

# As if for Linux on x86-64; the hashes are those of all platforms.
lock-image: $(BIN)/.deploy-checks
	uv pip compile pyproject.toml --extra server --extra postgres --extra azure --extra gateway \
	  --extra telemetry --upgrade --quiet \
	  --python-version 3.12 --python-platform x86_64-manylinux_2_31 --generate-hashes --no-annotate \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock-image' \
	  --output-file deploy/docker/requirements.txt

proto: $(BIN)/.dev
	buf format --write protos
	rm -rf $(STUBS)
	buf generate
	$(BIN)/python scripts/envoy_files.py
	$(BIN)/python -m scripts.openapi

bench: $(BIN)/.dev
	$(BIN)/python -m benchmarks $(if $(SPEECH),--speech '$(SPEECH)') $(BENCH)

whisper-s2t:
	test -x .build/whisper-s2t/bin/python || $(PYTHON) -m venv .build/whisper-s2t
	.build/whisper-s2t/bin/python -m pip install --quiet --disable-pip-version-check '.[whisper-s2t]'

diarization:
	test -x $(DIARIZATION)/bin/python || $(PYTHON) -m venv $(DIARIZATION)
	$(DIARIZATION)/bin/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(DIARIZATION)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,diarization-bench]'
	$(DIARIZATION)/bin/python -m pytest tests/integration/transcriber/test_diarizer_real.py

azurite: $(AZURITE)/node_modules/.bin/azurite-blob

$(AZURITE)/node_modules/.bin/azurite-blob:
	mkdir -p $(AZURITE)
	npm install --prefix $(AZURITE) --silent --no-audit --no-fund --no-save azurite@3.35.0
	touch $@

bench-queue: $(BIN)/.dev
	$(BIN)/python -m benchmarks.shared_memory

clean:
	rm -rf $(VENV) .build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist
