"""The files in deploy/ name settings, commands and paths that exist."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bots.cli.main import COMMANDS
from core.settings import Settings
from tests.map import ROOT

DEPLOY = ROOT / "deploy"
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file())
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
OTHERS = {"STOA_DOMAIN"}
"""Variables of other programs."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_every_setting_that_is_named_exists(path: Path) -> None:
    named = set(re.findall(r"\bSTOA_[A-Z_]+", path.read_text("utf-8"))) - OTHERS
    known = {f"STOA_{name.upper()}" for name in Settings.model_fields}
    assert named <= known


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_every_command_that_is_named_exists(path: Path) -> None:
    called = re.findall(r"(?:\bbin/|exec serve |\[\")stoa(?:\", \"| )([a-z]+)", path.read_text("utf-8"))
    assert set(called) <= COMMANDS.keys()


def test_the_image_copies_what_is_there_and_ignores_the_rest() -> None:
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    copied = [word for line in re.findall(r"^COPY (?!--)(.*) \S+$", text, re.MULTILINE) for word in line.split()]
    taken = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line[:1] == "!"}
    assert set(copied) == taken
    assert all((ROOT / name).exists() for name in copied)


def test_every_manifest_is_listed_and_runs_without_privileges() -> None:
    listed = yaml.safe_load((DEPLOY / "kubernetes" / "kustomization.yaml").read_text("utf-8"))["resources"]
    assert {path.name for path in MANIFESTS} - {"kustomization.yaml"} == set(listed)
    for template in _pods():
        assert template["automountServiceAccountToken"] is False
        for container in template["containers"]:
            assert "memory" in container["resources"]["limits"]
            if container["image"] == "stoa":
                assert container["securityContext"]["readOnlyRootFilesystem"]
                assert container["args"][1] in COMMANDS


def test_compose_keeps_redis_from_evicting_and_the_page_on_this_machine() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]
    assert "noeviction" in services["redis"]["command"]
    assert "ports" not in services["redis"]
    assert all(port.startswith("127.0.0.1:") for port in services["serve"]["ports"])
    assert services["worker"]["command"][1] in COMMANDS


def _pods() -> Iterator[dict[str, Any]]:
    for path in MANIFESTS:
        for document in yaml.safe_load_all(path.read_text("utf-8")):
            if "template" in document.get("spec", {}):
                yield document["spec"]["template"]["spec"]
