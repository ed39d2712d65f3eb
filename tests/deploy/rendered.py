"""What deploy/ makes of itself: every overlay by kubectl, every way of the chart.

The chart needs helm to be rendered. Where there is none, what helm made of it last is
read from the folder charts beside this file; `python -m tests.deploy.rendered` writes it.
"""

import copy
import functools
import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, TypeAlias

import yaml

Json: TypeAlias = dict[str, Any]

DEPLOY = Path(__file__).parents[2] / "deploy"
OVERLAYS = ("kube-dns-2", "kind", "standalone", "tenant")
CHARTS = {"kube-dns-2": "kube-system", "standalone": "minidns", "tenant": "tenant"}
"""Ways of the chart, each a file of values in chart/ci, and their namespaces."""
VARIANTS = (*OVERLAYS, *(f"chart:{name}" for name in CHARTS))
KEPT = Path(__file__).parent / "charts"
RELEASE = "dns"


def kubectl() -> str | None:
    """Return kubectl, if there is one."""
    return shutil.which("kubectl")


def helm() -> str | None:
    """Return helm, if there is one: what HELM says, or what is found."""
    return os.environ.get("HELM") or shutil.which("helm")


@functools.cache
def text(variant: str) -> str:
    """Return the manifests of a variant as YAML."""
    _, colon, name = variant.rpartition(":")
    if not colon:
        return _run(kubectl() or "kubectl", "kustomize", str(DEPLOY / "overlays" / name))
    return by_helm(name) if helm() else (KEPT / f"{name}.yaml").read_text()


@functools.cache
def _parsed(variant: str) -> list[Json]:
    return [obj for obj in yaml.safe_load_all(text(variant)) if obj]


def objects(variant: str) -> list[Json]:
    """Return the objects of a variant, the caller's own."""
    return copy.deepcopy(_parsed(variant))


def the(variant: str, kind: str) -> Json:
    """Return the one object of a kind."""
    (found,) = (obj for obj in objects(variant) if obj["kind"] == kind)
    return found


def by_helm(name: str, *options: str) -> str:
    """Return what helm makes of the chart now."""
    values = DEPLOY / f"chart/ci/{name}-values.yaml"
    where = ("--namespace", CHARTS[name], "--values", str(values))
    chart = str(DEPLOY / "chart")
    return _run(helm() or "helm", "template", RELEASE, chart, *where, *options)


def source_hash() -> str:
    """Return a digest of everything that decides what helm makes of the chart."""
    total = hashlib.sha256()
    for path in sorted((DEPLOY / "chart").rglob("*")):
        if path.is_file():
            total.update(f"{path.relative_to(DEPLOY)}\0".encode() + path.read_bytes())
    return total.hexdigest()


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def main() -> None:
    """Write down what helm makes of the chart."""
    KEPT.mkdir(exist_ok=True)
    for name in CHARTS:
        head = f"# made by helm from deploy/chart {source_hash()}\n"
        (KEPT / f"{name}.yaml").write_text(head + by_helm(name))


if __name__ == "__main__":
    main()
