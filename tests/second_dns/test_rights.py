"""The role in docs/install.md is enough for everything, and none of it is too much."""

import re
from pathlib import Path

import pytest
import yaml

from sim.api.objects import Json
from sim.api.objects import clone as copy_of
from sim.api.server import ClusterApi
from tests.second_dns.world import as_user, cluster, desk, workload

PAGE = Path(__file__).parents[2] / "docs/install.md"


def role() -> Json:
    (text,) = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    read: Json = yaml.safe_load(text)
    return read


SINGLE = [
    (number, verb, what)
    for number, rule in enumerate(role()["rules"])
    for verb in rule["verbs"]
    for what in rule["resources"]
]
UNUSUAL = {
    *((verb, "pods/exec") for verb in ("get", "create")),
    *(("list", what) for what in ("nodes", "namespaces")),
    ("list", "ciliumnetworkpolicies"),
    ("list", "ciliumclusterwidenetworkpolicies"),
    ("get", "namespaces"),
    ("get", "pods"),  # enrol pod/NAME, which only says what to do instead
    ("get", "daemonsets"),
    ("patch", "daemonsets"),
    ("list", "networkpolicies"),  # without it a note says what is not known
}
"""Rights that the commands below do not need."""
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


async def test_the_role_is_enough(tmp_path: Path) -> None:
    assert await failing(role(), tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize(("number", "verb", "what"), SINGLE)
async def test_every_part_of_it_is_needed(number: int, verb: str, what: str, tmp_path: Path) -> None:
    rules = copy_of(role())
    rule = rules["rules"][number]
    rest = [w for w in rule["resources"] if w != what]
    others = [v for v in rule["verbs"] if v != verb]
    rules["rules"][number] = {**rule, "resources": rest}
    rules["rules"].append({**rule, "resources": [what], "verbs": others})
    said = await failing(rules, tmp_path)
    if (verb, what) in UNUSUAL:
        assert said == []
    else:
        assert f"not allowed: {verb} on {what}" in "\n".join(said)
