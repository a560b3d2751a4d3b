#!/bin/sh
# The bare wheel is a light client: it installs and imports without the server's libraries, and says what `serve` needs.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$folder/wheel" .
python -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$folder"/wheel/*.whl
cd "$folder"
"$folder/venv/bin/python" -W error - <<'CHECK'
import importlib.resources
import importlib.util

import batchscribe.cli
import batchscribe.v1.job_service_pb2_grpc

for name in ("numpy", "ctranslate2", "sqlalchemy", "faster_whisper", "av", "onnxruntime", "msgspec"):
    assert importlib.util.find_spec(name) is None, f"the bare wheel brings {name}"
for name in ("batchscribe_server.app", "batchscribe_engine.messages"):
    assert importlib.util.find_spec(name.split(".")[0]), f"the wheel lacks {name}"
calibrations = importlib.resources.files("batchscribe_server") / "models" / "calibrations"
assert (calibrations / "base.toml").is_file(), "the wheel lacks what is known of the models"
CHECK
"$folder/venv/bin/batchscribe" --help >/dev/null
if "$folder/venv/bin/batchscribe" serve 2>"$folder/refusal"; then
    echo "serve ran without the server's libraries" >&2
    exit 1
fi
grep -q "pip install 'batchscribe\[server\]'" "$folder/refusal"
echo "the bare wheel is light"
