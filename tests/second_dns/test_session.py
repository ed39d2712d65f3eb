import pytest

from minidns.kubernetes.documents import Refused
from minidns.second_dns import session
from tests.table import table

FORBIDDEN = (
    'services is forbidden: User "jane" cannot list resource "services" in API group "" in the namespace "kube-system"'
)


@table(
    ("text", "status", "line"),
    [
        pytest.param(
            FORBIDDEN,
            403,
            "not allowed: list on services in namespace kube-system, as jane; to "
            "grant it: kubectl create role minidns --verb=list --resource=services "
            "-n kube-system",
            id="rbac-namespace",
        ),
        pytest.param(
            'pods is forbidden: User "jane" cannot list resource "pods" in API group "" at the cluster scope',
            403,
            "not allowed: list on pods in all namespaces, as jane; to grant it: "
            "kubectl create clusterrole minidns --verb=list --resource=pods",
            id="rbac-cluster",
        ),
        pytest.param(
            'deployments.apps "web" is forbidden: User "jane" cannot patch resource '
            '"deployments" in API group "apps" in the namespace "shop": RBAC: role '
            "not found",
            403,
            "not allowed: patch on deployments.apps in namespace shop, as jane; to "
            "grant it: kubectl create role minidns --verb=patch "
            "--resource=deployments.apps -n shop",
            id="rbac-group",
        ),
        pytest.param(
            "admission webhook denied the request: no DNS settings here",
            403,
            "admission webhook denied the request: no DNS settings here",
            id="webhooks-own-words",
        ),
        pytest.param("Unauthorized", 401, "the API server does not accept these credentials (401)", id="credentials"),
        pytest.param(
            'deployments.apps "web" not found',
            404,
            'deployments.apps "web" not found; kubectl get deployments.apps -A lists those that there are',
            id="what-to-do",
        ),
        pytest.param('services "x" already exists', 409, 'services "x" already exists', id="others"),
    ],
)
def test_words(text: str, status: int, line: str) -> None:
    assert str(session.explain(Refused(text, status, ""))) == line
