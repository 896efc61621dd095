"""What Kustomize makes of ``deploy/gke``, for the tests of it."""

import functools
import subprocess
from pathlib import Path
from typing import Any

import yaml

from testing.places import ROOT

OVERLAYS = sorted(path.name for path in (ROOT / "deploy/gke/overlays").iterdir())


def render(overlay: str, root: Path = ROOT) -> tuple[dict[str, Any], ...]:
    """Return an overlay's manifests, as ``start.sh`` would apply them."""
    result = subprocess.run(
        ["bash", root / "deploy/gke/start.sh", overlay, "--dry-run"],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return tuple(yaml.safe_load_all(result.stdout))


rendered = functools.cache(render)


def of_kind(overlay: str, kind: str) -> list[dict[str, Any]]:
    return [manifest for manifest in rendered(overlay) if manifest["kind"] == kind]


def jobs_in(manifests: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    """Return the specifications of all Jobs, those inside a JobSet as well."""
    plain = [one["spec"] for one in manifests if one["kind"] == "Job"]
    sets = [one["spec"] for one in manifests if one["kind"] == "JobSet"]
    return plain + [job["template"]["spec"] for one in sets for job in one["replicatedJobs"]]


def jobs(overlay: str) -> list[dict[str, Any]]:
    return jobs_in(rendered(overlay))


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod["containers"], *pod.get("initContainers", [])]


def settings() -> dict[str, str]:
    lines = (ROOT / "deploy/settings.env").read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
