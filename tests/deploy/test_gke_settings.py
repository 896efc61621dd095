"""What ``settings.env`` decides in the manifests of ``deploy/gke``; and whom its Services reach."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from testing.places import ROOT
from tests.deploy.manifests import OVERLAYS, jobs, jobs_in, of_kind, render, rendered, settings

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")


def test_services_name_no_port_of_a_sidecar() -> None:
    # kubectl port-forward does not look there for names (kubernetes#125412), nor did Services
    # before Kubernetes 1.32 (kubernetes#127958).
    for overlay in OVERLAYS:
        named = {
            port["name"]
            for owner in of_kind(overlay, "Deployment")
            for container in owner["spec"]["template"]["spec"]["containers"]
            for port in container["ports"]
        }
        for service in of_kind(overlay, "Service"):
            for port in service["spec"]["ports"]:
                assert isinstance(port["targetPort"], int) or port["targetPort"] in named


def test_no_service_is_open_to_the_world() -> None:
    services = [one for overlay in OVERLAYS for one in of_kind(overlay, "Service")]

    assert {one["metadata"]["name"] for one in services} == {"mlflow", "tensorboard"}
    assert {one["spec"]["type"] for one in services} == {"ClusterIP"}
    (policy,) = of_kind("services", "NetworkPolicy")
    assert policy["spec"]["ingress"] == [{"from": [{"podSelector": {}}]}]


def test_every_setting_is_read() -> None:
    kinds = {".json", ".sh", ".yaml"}
    files = [path for path in (ROOT / "deploy").rglob("*") if path.suffix in kinds]
    text = "".join(path.read_text("utf-8") for path in files)

    assert [name for name in settings() if not re.search(rf"\b{name}\b", text)] == []


def test_settings_reach_the_manifests() -> None:
    (mlflow,) = of_kind("services", "Deployment")
    arguments = mlflow["spec"]["template"]["spec"]["containers"][0]["args"]

    assert f"gs://{settings()['BUCKET']}/mlflow" in arguments
    for overlay in OVERLAYS:
        assert "from-settings" not in yaml.safe_dump_all(rendered(overlay))
        (values,) = of_kind(overlay, "ConfigMap")
        ours = {"MLFLOW_TRACKING_URI": "http://mlflow:5000"}
        assert values["data"] == settings() | ours


Rendered = Callable[..., tuple[dict[str, Any], ...]]


@pytest.fixture
def with_settings(tmp_path: Path) -> Rendered:
    """Render an overlay with other settings than those here."""
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")

    def rendered_with(overlay: str, **changes: str) -> tuple[dict[str, Any], ...]:
        lines = [f"{name}={value}\n" for name, value in (settings() | changes).items()]
        (tmp_path / "deploy/settings.env").write_text("".join(lines), "utf-8")
        return render(overlay, tmp_path)

    return rendered_with


def sources(spec: dict[str, Any]) -> list[tuple[str, str]]:
    """Name where a Job's container takes its environment from, in their order."""
    (run,) = spec["template"]["spec"]["containers"]
    return [(key, one["name"]) for given in run["envFrom"] for key, one in given.items()]


@pytest.mark.parametrize("overlay", ["train-spot", "evaluate", "export", "multi-node"])
def test_a_job_goes_on_with_the_settings_it_was_started_with(
    overlay: str, with_settings: Rendered
) -> None:
    names = []
    for commit in ("a" * 40, "b" * 40):
        manifests = with_settings(overlay, COMMIT=commit)
        (values,) = (one for one in manifests if one["kind"] == "ConfigMap")
        names.append(values["metadata"]["name"])
        assert values["data"]["COMMIT"] == commit
        # The tokens come last: of a name that both have theirs counts.
        expected = [("configMapRef", names[-1]), ("secretRef", "secrets")]
        assert [sources(spec) for spec in jobs_in(manifests)] == [expected] * len(jobs(overlay))

    # What started earlier still finds its own.
    assert names[0] != names[1]


@pytest.mark.parametrize("overlay", ["train", "multi-node"])
def test_only_a_pod_with_a_gpu_asks_for_what_its_machine_has(
    overlay: str, with_settings: Rendered
) -> None:
    for spec in jobs_in(with_settings(overlay, CPU="200", MEMORY="1800Gi")):
        resources = spec["template"]["spec"]["containers"][0]["resources"]
        asked = resources["requests"]["cpu"], resources["requests"]["memory"]
        assert resources["limits"]["memory"] == asked[1]
        # https://cloud.google.com/kubernetes-engine/docs/concepts/autopilot-resource-requests
        gpu = "nvidia.com/gpu" in resources["limits"]
        assert asked == (("200", "1800Gi") if gpu else ("8", "32Gi"))


def test_tensorboard_is_looked_for_where_it_is() -> None:
    (service,) = of_kind("train-spot", "Service")
    wanted = service["spec"]["selector"].items()
    for overlay in OVERLAYS:
        for spec in jobs(overlay):
            listens = any(
                port["containerPort"] == 6006
                for container in spec["template"]["spec"].get("initContainers", [])
                for port in container["ports"]
            )
            assert (wanted <= spec["template"]["metadata"]["labels"].items()) is listens
