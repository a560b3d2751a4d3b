#!/bin/bash
# Usage: call_envoy METHOD PATH PORT. Exit status 0 where Envoy answers with 200; its image has no HTTP client.
set -euo pipefail
exec 3<>"/dev/tcp/127.0.0.1/$3"
printf '%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' "$1" "$2" >&3
IFS= read -r -t 3 status <&3
[[ $status == "HTTP/1.1 200 "* ]]
