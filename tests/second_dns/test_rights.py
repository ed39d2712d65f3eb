"""The role in docs/install.md is enough for everything, and none of it is too much."""

import re
from pathlib import Path

import pytest
import yaml

from sim.api import rbac
from sim.api.objects import Json
from sim.api.server import ClusterApi
from tests.second_dns.world import as_user, cluster, desk, workload

PAGE = Path(__file__).parents[2] / "docs/install.md"


def role() -> Json:
    (text,) = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    read: Json = yaml.safe_load(text)
    return read


RIGHTS = {(verb, what) for rule in role()["rules"] for verb in rule["verbs"] for what in rule["resources"]}
UNUSUAL = {
    ("create", "pods/exec"),
    *(("list", f"cilium{what}networkpolicies") for what in ("", "clusterwide")),
    ("get", "pods"),  # enrol pod/NAME, which only says what to do instead
    ("get", "daemonsets"),
    ("patch", "daemonsets"),
}
"""Rights that the commands below do not use."""
WORDS = (
    "clone --apply",
    "status",
    "enrol deploy/web -n shop --all",
    "unenrol --all",
    "enrol deploy/web -n shop --replicas 2 of 6",
    "unenrol deploy/web -n shop",
    "enrol sts/db -n shop --replicas 1 --timeout 0",
    "unenrol sts/db -n shop --timeout 0",
    "clone --delete",
)


def world(rules: Json) -> ClusterApi:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    db = workload("StatefulSet", updateStrategy=strategy)
    db["metadata"]["name"] = "db"
    of = cluster(workload(), db)
    of.create(rules)
    of.create(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "jane"},
            "roleRef": {"kind": "ClusterRole", "name": rules["metadata"]["name"]},
            "subjects": [{"kind": "ServiceAccount", "name": "jane", "namespace": "shop"}],
        }
    )
    return of


async def failing(rules: Json, tmp_path: Path) -> list[str]:
    """Return what is said by the commands that fail."""
    of = world(rules)
    said = []
    async with desk(of, access=as_user(tmp_path, "jane"), has_rbac=True) as at:
        for words in WORDS:
            if await at.run(words):
                said.append(at.said)  # noqa: PERF401  # awaits
    return said


async def test_the_role_is_enough_and_every_part_of_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used: set[tuple[str, str]] = set()
    authorize = rbac.authorize

    def noting(of: ClusterApi, attributes: rbac.Attributes, user: rbac.User) -> None:
        used.add((attributes.verb, attributes.resource))
        authorize(of, attributes, user)

    monkeypatch.setattr(rbac, "authorize", noting)
    assert await failing(role(), tmp_path) == []
    assert RIGHTS - used == UNUSUAL
