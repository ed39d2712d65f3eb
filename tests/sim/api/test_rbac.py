from functools import partial
from typing import Any

import pytest

from sim.api.objects import Json
from sim.api.rbac import ADMIN, Attributes, User, attributes_of, authenticated, authorize, user_named
from sim.api.requests import Request, read
from sim.controllers.cluster import Cluster
from tests.sim.builders import failing, namespace
from tests.table import table

COREDNS = "system:serviceaccount:kube-system:coredns"
GROUP = "rbac.authorization.k8s.io"


def asked(path: str, method: str = "GET", token: str = "", **query: str) -> Request:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return read(method, path, query, headers, 0)


def needed(path: str, method: str = "GET", **query: str) -> Attributes:
    return attributes_of(asked(path, method, **query))


def rule(groups: str, resources: str, verbs: str, **more: Any) -> Json:
    return {"apiGroups": groups.split(","), "resources": resources.split(","), "verbs": verbs.split(",")} | more


def role(kind: str, name: str, *rules: Json, **meta: str) -> Json:
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": {"name": name} | meta, "rules": list(rules)}


def binding(kind: str, ref: Json, subject: Json, **meta: str) -> Json:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": kind,
        "metadata": {"name": "b"} | meta,
        "roleRef": {"apiGroup": GROUP, **ref},
        "subjects": [subject],
    }


ACCOUNT = {"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}


def cluster_with_dns_role(subject: Json = ACCOUNT) -> Cluster:
    """Return a cluster with the role that kubeadm gives CoreDNS."""
    cluster = Cluster()
    rules = (
        rule("", "endpoints,services,pods,namespaces", "list,watch"),
        rule("discovery.k8s.io", "endpointslices", "list,watch"),
    )
    cluster.create(role("ClusterRole", "system:coredns", *rules))
    ref = {"kind": "ClusterRole", "name": "system:coredns"}
    cluster.create(binding("ClusterRoleBinding", ref, subject))
    return cluster


@table(
    ("path", "query", "is_allowed"),
    [
        pytest.param("/api/v1/services", {}, True, id="list"),
        pytest.param("/api/v1/services", {"watch": "true"}, True, id="watch"),
        pytest.param("/api/v1/namespaces/prod/pods", {}, True, id="in-a-namespace"),
        pytest.param("/apis/discovery.k8s.io/v1/endpointslices", {}, True, id="group"),
        pytest.param("/api/v1/namespaces/prod/services/web", {}, False, id="get"),
        pytest.param("/api/v1/configmaps", {}, False, id="other-resource"),
        pytest.param("/version", {}, True, id="version"),
        pytest.param("/apis", {}, True, id="discovery"),
        pytest.param("/metrics", {}, False, id="other-path"),
    ],
)
def test_role_of_coredns(path: str, query: dict[str, str], is_allowed: bool) -> None:
    cluster = cluster_with_dns_role()
    request = needed(path, **query)
    if is_allowed:
        authorize(cluster, request, user_named(COREDNS))
    else:
        status = failing(lambda: authorize(cluster, request, user_named(COREDNS)))
        assert status["code"] == 403


@table(
    ("subject", "is_allowed"),
    [
        pytest.param({"kind": "User", "name": COREDNS}, True, id="user"),
        pytest.param({"kind": "Group", "name": "system:serviceaccounts"}, True, id="accounts"),
        pytest.param(
            {"kind": "Group", "name": "system:serviceaccounts:kube-system"}, True, id="accounts-of-the-namespace"
        ),
        pytest.param({"kind": "Group", "name": "system:serviceaccounts:other"}, False, id="accounts-of-another"),
        pytest.param({"kind": "Group", "name": "system:authenticated"}, True, id="everybody"),
        pytest.param(ACCOUNT | {"name": "other"}, False, id="other-account"),
    ],
)
def test_subjects(subject: Json, is_allowed: bool) -> None:
    cluster = cluster_with_dns_role(subject)
    request = needed("/api/v1/services")
    if is_allowed:
        authorize(cluster, request, user_named(COREDNS))
    else:
        assert failing(lambda: authorize(cluster, request, user_named(COREDNS)))


@table(
    ("path", "method", "message"),
    [
        pytest.param(
            "/api/v1/services",
            "GET",
            f'services is forbidden: User "{COREDNS}" cannot list resource "services" '
            'in API group "" at the cluster scope',
            id="cluster-scope",
        ),
        pytest.param(
            "/apis/discovery.k8s.io/v1/endpointslices",
            "GET",
            f'endpointslices.discovery.k8s.io is forbidden: User "{COREDNS}" cannot '
            'list resource "endpointslices" in API group "discovery.k8s.io" at the '
            "cluster scope",
            id="group",
        ),
        pytest.param(
            "/api/v1/namespaces/prod/services/web",
            "DELETE",
            f'services "web" is forbidden: User "{COREDNS}" cannot delete resource '
            '"services" in API group "" in the namespace "prod"',
            id="one-object",
        ),
        pytest.param("/metrics", "GET", f'forbidden: User "{COREDNS}" cannot get path "/metrics"', id="path"),
    ],
)
def test_words_of_a_denial(path: str, method: str, message: str) -> None:
    request = needed(path, method)
    status = failing(lambda: authorize(Cluster(), request, user_named(COREDNS)))
    assert (status["code"], status["reason"]) == (403, "Forbidden")
    assert status["message"] == message


def test_role_binding_is_for_its_namespace() -> None:
    cluster = Cluster()
    cluster.create(namespace("prod"))
    cluster.create(role("Role", "r", rule("", "services", "*"), namespace="prod"))
    ref = {"kind": "Role", "name": "r"}
    cluster.create(binding("RoleBinding", ref, ACCOUNT, namespace="prod"))
    user = user_named(COREDNS)
    authorize(cluster, needed("/api/v1/namespaces/prod/services"), user)
    for path in ("/api/v1/services", "/api/v1/namespaces/default/services"):
        assert failing(partial(authorize, cluster, needed(path), user))


@table(
    ("more", "path", "is_allowed"),
    [
        ({"resourceNames": ["a"]}, "/api/v1/namespaces/default/configmaps/a", True),
        ({"resourceNames": ["a"]}, "/api/v1/namespaces/default/configmaps/b", False),
        ({"resources": ["*"]}, "/api/v1/namespaces/default/pods/b", True),
        ({"resources": ["pods"]}, "/api/v1/namespaces/default/pods/b/status", False),
        ({"resources": ["*/status"]}, "/api/v1/namespaces/default/pods/b/status", True),
        ({"apiGroups": ["apps"]}, "/api/v1/namespaces/default/configmaps/a", False),
    ],
)
def test_rules(more: Json, path: str, is_allowed: bool) -> None:
    cluster = Cluster()
    cluster.create(role("ClusterRole", "r", rule("", "configmaps", "get") | more))
    ref = {"kind": "ClusterRole", "name": "r"}
    cluster.create(binding("ClusterRoleBinding", ref, ACCOUNT))
    act = partial(authorize, cluster, needed(path), user_named(COREDNS))
    if is_allowed:
        act()
    else:
        assert failing(act)["code"] == 403


def test_paths_that_are_no_resources_have_rules_too() -> None:
    cluster = Cluster()
    urls = {"nonResourceURLs": ["/metrics", "/logs/*"], "verbs": ["get"]}
    cluster.create(role("ClusterRole", "r", urls))
    ref = {"kind": "ClusterRole", "name": "r"}
    cluster.create(binding("ClusterRoleBinding", ref, ACCOUNT))
    for path in ("/metrics", "/logs/a"):
        authorize(cluster, needed(path), user_named(COREDNS))
    status = failing(lambda: authorize(cluster, needed("/other"), user_named(COREDNS)))
    assert status["code"] == 403


def test_binding_to_a_role_that_is_not_there_allows_nothing() -> None:
    cluster = Cluster()
    ref = {"kind": "ClusterRole", "name": "gone"}
    cluster.create(binding("ClusterRoleBinding", ref, ACCOUNT))
    request = needed("/api/v1/services")
    assert failing(lambda: authorize(cluster, request, user_named(COREDNS)))


def test_administrators_may_do_anything() -> None:
    cluster, everything = Cluster(), needed("/api/v1/services", "DELETE")
    authorize(cluster, everything, ADMIN)
    assert failing(partial(authorize, cluster, everything, User("jane")))


@table(
    ("token", "tokens", "user"),
    [
        pytest.param("", None, ADMIN, id="no-token"),
        pytest.param("anything", None, ADMIN, id="any-token"),
        pytest.param(COREDNS, None, user_named(COREDNS), id="named-account"),
        pytest.param("t", {"t": COREDNS}, user_named(COREDNS), id="known-account"),
        pytest.param("t", {"t": "jane"}, User("jane"), id="known-user"),
        pytest.param("t", {"t": ADMIN.name}, ADMIN, id="known-administrator"),
    ],
)
def test_tokens(token: str, tokens: dict[str, str] | None, user: User) -> None:
    assert authenticated(asked("/api", token=token), tokens) == user


@table(
    ("token", "tokens", "only"),
    [
        pytest.param("other", {"t": "jane"}, "", id="unknown-token"),
        pytest.param("", {"t": "jane"}, "", id="no-token"),
        pytest.param("old", None, "new", id="rotated"),
    ],
)
def test_wrong_tokens(token: str, tokens: dict[str, str] | None, only: str) -> None:
    status = failing(lambda: authenticated(asked("/api", token=token), tokens, only))
    assert (status["code"], status["message"]) == (401, "Unauthorized")


def test_namespace_itself_is_in_the_scope_of_its_roles() -> None:
    cluster = Cluster()
    cluster.create(namespace("prod"))
    rules = rule("", "namespaces", "get")
    cluster.create(role("Role", "r", rules, namespace="prod"))
    ref = {"kind": "Role", "name": "r"}
    cluster.create(binding("RoleBinding", ref, ACCOUNT, namespace="prod"))
    user = user_named(COREDNS)
    authorize(cluster, needed("/api/v1/namespaces/prod"), user)
    for path in ("/api/v1/namespaces/default", "/api/v1/namespaces"):
        assert failing(partial(authorize, cluster, needed(path), user))["code"] == 403
