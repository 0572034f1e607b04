"""What kustomize makes of deploy/kubernetes, to be looked at without a cluster."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.services import ROOT

KUBERNETES = ROOT / "deploy" / "kubernetes"
RENDER_SECONDS = 60

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rendered:
    """All resources of one kustomization."""

    resources: list[Resource]

    def of(self, kind: str) -> list[Resource]:
        return [resource for resource in self.resources if resource["kind"] == kind]

    def one(self, kind: str, name: str) -> Resource:
        """By the name that its file gives it, without the hash that kustomize adds."""
        found = [r for r in self.of(kind) if r["metadata"]["name"].startswith(name)]
        assert len(found) == 1, f"{len(found)} of {kind} {name}"
        return found[0]

    def selected(self, labels: dict[str, str]) -> list[Resource]:
        """The deployments whose pods have these labels."""
        return [d for d in self.of("Deployment") if labels.items() <= pod(d)["metadata"]["labels"].items()]


def pod(deployment: Resource) -> Resource:
    template: Resource = deployment["spec"]["template"]
    return template


def container(deployment: Resource) -> Resource:
    containers: list[Resource] = pod(deployment)["spec"]["containers"]
    assert len(containers) == 1
    return containers[0]


def rendered(folder: Path) -> Rendered:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl, whose kustomize renders deploy/kubernetes, is not installed")
    said = subprocess.run(
        [kubectl, "kustomize", str(folder)], capture_output=True, text=True, timeout=RENDER_SECONDS, check=False
    )
    assert said.returncode == 0, said.stderr
    return Rendered(list(yaml.safe_load_all(said.stdout)))
