#!/bin/sh
# The committed stubs are what the protos generate today.
set -eu
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
buf generate --output "$fresh" 2>"$fresh/log" || { cat "$fresh/log" >&2; exit 1; }
if ! diff --recursive --exclude=__pycache__ "$fresh/clients/python/batchscribe/v1" clients/python/batchscribe/v1; then
    echo "the stubs are not current: run 'make proto' and commit what it writes" >&2
    exit 1
fi
