"""What web pages may not do: call from an origin of their own, post what needs no preflight, or rebind a name.

A page that is open on a machine reaches all that listens on its loopback. What its browser says of it gives it away: an
Origin that is neither this gateway's nor allowed, a content type that forms have too, a Host that is none of its names.
Programs send no Origin, and pass.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from batchscribe_server.gateway.options import ANY_ORIGIN, GatewayOptions
from batchscribe_server.gateway.typed import Config, extension

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")

_SCRIPT = """\
local origins = {origins}
local hosts = {hosts}

local function refuse(handle, status, message)
  handle:respond({{[":status"] = status}}, message)
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local authority = string.lower(headers:get(":authority") or "")
  if hosts and not hosts[string.gsub(authority, ":%d+$", "")] then
    return refuse(handle, "421", "The host " .. authority .. " is none of this gateway's names; --host allows one.")
  end
  local origin = headers:get("origin")
  if origin and not origins[origin] and not origins["*"]
      and origin ~= "http://" .. authority and origin ~= "https://" .. authority then
    return refuse(handle, "403", "Pages of the origin " .. origin .. " may not call; --cors-origin allows one.")
  end
  local method, path = headers:get(":method"), headers:get(":path")
  if method == "OPTIONS" then return end
  local content = string.lower(headers:get("content-type") or "")
  if string.find(path, "^/batchscribe%.") or string.find(path, "^/grpc%.") then
    if not string.find(content, "^application/grpc") then
      refuse(handle, "415", "This path takes gRPC and gRPC-Web; REST is below /v1/.")
    end
  elseif method ~= "GET" and method ~= "HEAD" and string.find(path, "^/v1/") then
    local length = headers:get("content-length")
    local has_body = headers:get("transfer-encoding") or (length and length ~= "0")
    if (content ~= "" or has_body) and not string.find(content, "^application/json%s*$")
        and not string.find(content, "^application/json%s*;") then
      refuse(handle, "415", "A body must be JSON, with the content type application/json.")
    end
  end
end
"""


def browser_guard(options: GatewayOptions) -> Config:
    """The filter. It checks Host on loopback, and elsewhere where the gateway's names are given."""
    names = {name.lower() for name in options.hosts}
    if options.listen.is_loopback:
        names.update(_LOOPBACK_NAMES, [str(options.listen).rpartition(":")[0]])
    script = _SCRIPT.format(
        origins=_set(ANY_ORIGIN if origin == ANY_ORIGIN else origin.lower() for origin in options.cors_origins),
        hosts=_set(names) if names else "nil",
    )
    return extension(
        "filters.http.lua",
        "extensions.filters.http.lua.v3.Lua",
        default_source_code={"inline_string": script},
    )


def _set(texts: Iterable[str]) -> str:
    # What options may hold needs no escape that JSON has and Lua has not.
    return "{" + ", ".join(f"[{json.dumps(text)}] = true" for text in sorted(texts)) + "}"
