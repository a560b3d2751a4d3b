#!/bin/sh
# Usage: make_buckets MASTER:PORT BUCKET… Makes these buckets in SeaweedFS where they are not there yet.
set -eu
master=$1
shift
is_there() {
  echo s3.bucket.list | weed shell "-master=$master" | grep -Eq "^ *$1([[:space:]]|\$)"
}
for bucket in "$@"; do
  is_there "$bucket" || echo "s3.bucket.create -name $bucket" | weed shell "-master=$master"
done
for bucket in "$@"; do
  is_there "$bucket" || { echo "the bucket $bucket could not be made" >&2; exit 1; }
done
