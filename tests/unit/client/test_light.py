"""The client is light: it loads nothing that only the server needs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

# What the base install brings, by the names under which it is imported; typer brings pydantic for itself.
LIBRARY = {"batchscribe", "grpc", "google", "typing_extensions"}
# grpc loads its companions where they are installed, and setuptools hooks itself into every start.
LIBRARY |= {"grpc_tools", "grpc_health", "grpc_reflection", "grpc_channelz", "_distutils_hack"}
COMMAND_LINE = LIBRARY | {
    *("typer", "rich", "shellingham", "annotated_doc", "markdown_it", "mdurl", "pygments"),
    *("pydantic", "pydantic_core", "annotated_types", "typing_inspection"),
    "attr",  # rich loads it where it is installed
}

PROBE = """
import sys, json, sysconfig
from pathlib import Path
import {module}
{more}
roots = set()
for name, module in list(sys.modules.items()):
    if (getattr(module, "__file__", None) or "").startswith(sysconfig.get_paths()["purelib"]):
        roots.add(name.partition(".")[0])
    elif name.startswith("batchscribe"):
        roots.add(name.partition(".")[0])
print(json.dumps(sorted(roots)))
"""


def loaded(module: str, more: str = "") -> set[str]:
    probe = PROBE.format(module=module, more=more)
    done = subprocess.run([sys.executable, "-I", "-c", probe], capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(done.stdout))


def test_the_library_loads_nothing_but_its_own() -> None:
    roots = loaded("batchscribe", "client = batchscribe.Client('127.0.0.1:1'); client.close()")
    assert "batchscribe" in roots
    assert roots - LIBRARY == set()


def test_the_command_line_loads_nothing_but_its_own() -> None:
    more = (
        "from typer.testing import CliRunner\nassert CliRunner().invoke(batchscribe.cli.app, ['--help']).exit_code == 0"
    )
    assert loaded("batchscribe.cli", more) - COMMAND_LINE == set()


BLOCKED = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
sys.argv = ["batchscribe", *{arguments!r}]
from batchscribe.cli import main
main()
"""


def without(blocked: set[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    code = BLOCKED.format(blocked=blocked, arguments=list(arguments))
    return subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False, timeout=60)


SERVER_ONLY = {
    *("numpy", "sqlalchemy", "alembic", "aiosqlite", "ctranslate2", "faster_whisper", "av", "onnxruntime"),
    *("msgspec", "structlog", "pydantic_settings", "pysubs2", "bracex", "psutil", "platformdirs", "uuid_utils"),
    *("aioboto3", "cryptography"),
}


def test_it_works_where_the_server_is_not_installed() -> None:
    done = without(SERVER_ONLY, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()


@pytest.mark.parametrize("missing", [{"batchscribe_server"}, SERVER_ONLY], ids=["server", "its libraries"])
def test_serve_says_what_to_install(missing: set[str]) -> None:
    done = without(missing, "serve")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.endswith("pip install 'batchscribe[server]'\n")
    assert done.stderr.count("\n") == 1
