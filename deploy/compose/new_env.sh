#!/bin/sh
# Prints a .env with passwords and keys of its own: (umask 077; sh new_env.sh > .env)
set -eu
cat <<ENV
POSTGRES_PASSWORD=$(openssl rand -hex 24)
SEALING_KEY=$(openssl rand -base64 32 | tr '+/' '-_')
S3_ACCESS_KEY_ID=$(openssl rand -hex 10)
S3_SECRET_ACCESS_KEY=$(openssl rand -hex 20)
ENV
