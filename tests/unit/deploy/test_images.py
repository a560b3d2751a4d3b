"""The images have what the server needs, and their variables and ports are its own."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.deployment import DEPLOY, ROOT, command_options, loaded_settings

DOCKERFILES = [DEPLOY / "docker" / "Dockerfile", DEPLOY / "docker" / "Dockerfile.cuda"]
EXTRAS = ("server", "postgres", "azure", "gateway", "telemetry")


def _pinned() -> dict[str, str]:
    text = (DEPLOY / "docker" / "requirements.txt").read_text()
    return {canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE)}


def _last_stage(dockerfile: Path) -> str:
    return dockerfile.read_text().rpartition("\nFROM ")[2]


def _environment(dockerfile: Path) -> dict[str, str]:
    (block,) = re.findall(r"^ENV ((?:.*\\\n)*.*)$", _last_stage(dockerfile), re.MULTILINE)
    return dict(pair.split("=", 1) for pair in block.replace("\\\n", " ").split())


def test_the_requirements_are_those_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(line for extra in EXTRAS for line in extras.get(extra, ()))]
    pinned = _pinned()
    for requirement in map(Requirement, wanted):
        version = pinned.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement}: `make lock-image`"
        assert requirement.specifier.contains(version), f"{requirement}: `make lock-image`"


def test_every_requirement_has_its_hashes_and_no_place_to_come_from() -> None:
    text = (DEPLOY / "docker" / "requirements.txt").read_text()
    requirements = re.split(r"\n(?=[\w.-]+==)", text)[1:]
    assert len(requirements) == len(_pinned()) > 50
    assert all("--hash=sha256:" in requirement for requirement in requirements)
    assert not re.search(r"https?:|file:|^--?[a-z]", text, re.MULTILINE)


def test_the_cuda_image_has_the_libraries_that_ctranslate2_loads() -> None:
    spec = importlib.util.find_spec("ctranslate2")
    assert spec is not None
    assert spec.origin is not None
    (library,) = (Path(spec.origin).parents[1] / "ctranslate2.libs").glob("libctranslate2*")
    content = library.read_bytes()
    assert b"libcublas.so.12" in content, "another CUDA than that of Dockerfile.cuda"
    assert b"libcudnn" not in content, "Dockerfile.cuda wants an image with cuDNN"
    assert "nvidia/cuda:12." in DOCKERFILES[1].read_text()


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda file: file.name)
def test_an_image_serves_on_the_ports_that_it_exposes(dockerfile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded_settings(monkeypatch, _environment(dockerfile))
    (exposed,) = re.findall(r"^EXPOSE (.*)$", _last_stage(dockerfile), re.MULTILINE)
    assert exposed.split() == [settings.listen.rpartition(":")[2], settings.metrics.listen.rpartition(":")[2]]
    assert settings.data_dir == Path("/data")


def test_both_images_are_the_same_above_their_base() -> None:
    cpu, cuda = map(_last_stage, DOCKERFILES)
    cuda = re.sub(r"  NVIDIA_\w+=\S+ \\\n", "", cuda)
    for pattern in (r"image\.description.*", r"--start-period=\d+s"):
        cpu, cuda = re.sub(pattern, "", cpu), re.sub(pattern, "", cuda)
    assert cpu.partition("\n")[2] == cuda.partition("\n")[2]


def test_what_the_images_copy_is_not_ignored() -> None:
    sources = set()
    for dockerfile in DOCKERFILES:
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile.read_text(), re.MULTILINE):
            sources.update(line.split())
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert sources == allowed
    assert all((ROOT / source).exists() for source in sources)


def test_the_image_is_told_what_to_do_by_a_command() -> None:
    assert _last_stage(DOCKERFILES[0]).strip().endswith('ENTRYPOINT ["batchscribe"]\nCMD ["serve"]')
    assert command_options("serve")
