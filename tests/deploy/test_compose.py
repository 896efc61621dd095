"""compose.yaml: valid, pinned, sealed, and without a secret."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from testing.places import ROOT

FILE = ROOT / "compose.yaml"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load(FILE.read_text("utf-8"))


def test_it_is_valid_by_the_compose_specification() -> None:
    checker = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run(
        [checker, "--builtin-schema", "vendor.compose-spec", str(FILE)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_every_foreign_image_has_a_full_version(compose: dict[str, Any]) -> None:
    images = {
        name: re.sub(r"\$\{\w+:-(.*)\}", r"\1", service["image"])
        for name, service in compose["services"].items()
        if "build" not in service
    }
    assert set(images) == {"postgres", "objects"}
    for image in images.values():
        assert re.fullmatch(r"[a-z/]+:\d+\.\d+[a-z0-9.-]*", image), image


def test_every_service_is_sealed(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not {"privileged", "cap_add", "pid", "ipc", "devices"} & set(service), name
        assert service["networks"], name


def test_what_waits_waits_for_health(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}, (name, other)
            assert "test" in services[other]["healthcheck"], other


def test_only_this_machine_reaches_a_port(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:5000:5000"]
    assert compose["networks"]["storage"] == {"internal": True}
    for name in ("postgres", "objects"):
        assert compose["services"][name]["networks"] == ["storage"]


def test_secrets_come_from_the_environment_and_must_be_given(compose: dict[str, Any]) -> None:
    secret = re.compile("PASSWORD|SECRET|ACCESS_KEY|TOKEN")
    for name, service in compose["services"].items():
        for variable, value in service.get("environment", {}).items():
            if secret.search(variable):
                # Only the recipes at full size need this one.
                given = r"\$\{\w+:-\}" if variable == "HF_TOKEN" else r"\$\{\w+:\?.+\}"
                assert re.fullmatch(given, value), (name, variable)
        for argument in service.get("command", []):
            assert not secret.search(argument.upper()), (name, argument)


def test_the_example_of_env_names_what_is_needed() -> None:
    needed = set(re.findall(r"\$\{(\w+):\?", FILE.read_text("utf-8")))
    assert needed == {"POSTGRES_PASSWORD", "OBJECTS_ACCESS_KEY", "OBJECTS_SECRET_KEY"}
    example = (ROOT / ".env.example").read_text("utf-8")
    assert needed <= set(re.findall(r"^(\w+)=$", example, re.MULTILINE))


def test_volumes_that_are_used_are_declared(compose: dict[str, Any]) -> None:
    used = {
        volume.split(":")[0]
        for service in compose["services"].values()
        for volume in service.get("volumes", [])
    }
    assert used == set(compose["volumes"])
