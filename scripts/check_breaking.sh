#!/bin/sh
# No change of the protos breaks clients of main (of the commit before, where this is main).
set -eu
base=main
[ "$(git rev-parse HEAD)" != "$(git rev-parse --verify --quiet main || true)" ] || base=HEAD~1
if git cat-file -e "$base:buf.yaml" 2>/dev/null; then
    buf breaking --against ".git#ref=$(git rev-parse "$base")"
else
    echo "no earlier protos to compare with"
fi
