"""What lies in deploy/, and what the server says of the same: for the tests that hold one against the other."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel
from typer.main import get_command

from batchscribe.cli.main import app
from batchscribe_server.settings import Settings, load_settings

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "batchscribe"

PREFIX = "BATCHSCRIBE_"


def setting_variables(model: type[BaseModel] = Settings, prefix: str = PREFIX) -> Iterator[str]:
    """The variable of each setting. The keys of a setting that is a map stand as `*`."""
    for name, field in model.model_fields.items():
        variable = prefix + name.upper()
        yield variable
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, BaseModel):
                is_map = part is not field.annotation and dict in (getattr(field.annotation, "__origin__", None),)
                yield from setting_variables(part, f"{variable}__*__" if is_map else f"{variable}__")


def is_setting(variable: str) -> bool:
    """The server reads this variable."""
    patterns = (re.escape(known).replace(r"\*", "[A-Z0-9_]+") for known in setting_variables())
    return any(re.fullmatch(pattern, variable) for pattern in patterns)


def loaded_settings(
    monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str], options: Mapping[str, Any] | None = None
) -> Settings:
    """The settings of a server that is started so. Raises pydantic.ValidationError."""
    for variable, value in environment.items():
        if variable.startswith(PREFIX):
            monkeypatch.setenv(variable, value)
    return load_settings(options or {})


def command_options(name: str) -> set[str]:
    """The options of one command of the command line."""
    command = getattr(get_command(app), "commands", {})[name]
    return {option for parameter in command.params for option in parameter.opts}


def compose_file() -> dict[str, Any]:
    """The compose file, its variables as they stand."""
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
    return loaded


def helm(values: Mapping[str, Any]) -> dict[str, Any]:
    """The chart as Helm's own library lints and renders it with `values`, as the release demo in the namespace speech.

    Its runtime is Go's, which has no place in a process that forks: it gets one of its own. Skips where it is missing.
    """
    if importlib.util.find_spec("helm_python") is None:
        pytest.skip("`make check-deploy` installs Helm's library")
    answer = subprocess.run(
        [sys.executable, "-m", "tests.helm_render", CHART],
        input=json.dumps(values),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    rendered: dict[str, Any] = json.loads(answer.stdout)
    return rendered


def seconds(duration: str) -> float:
    """A duration as compose files have it, of one unit."""
    return float(duration.removesuffix("s"))
