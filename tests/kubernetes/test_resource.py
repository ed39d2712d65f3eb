"""The path of a collection, and the name of its objects in CoreDNS's log lines."""

from dataclasses import replace

from minidns.kubernetes.resources import IMPORTS, NAMESPACES, PODS, SERVICES, SLICES, Access, ApiError, Resource
from tests.table import table


@table(
    ("resource", "path", "type_name"),
    [
        (SERVICES, "/api/v1/services", "*v1.Service"),
        (NAMESPACES, "/api/v1/namespaces", "*v1.Namespace"),
        (PODS, "/api/v1/pods", "*v1.Pod"),
        (SLICES, "/apis/discovery.k8s.io/v1/endpointslices", "*v1.EndpointSlice"),
        (IMPORTS, "/apis/multicluster.x-k8s.io/v1alpha1/serviceimports", "*v1alpha1.ServiceImport"),
        (replace(SERVICES, namespace="prod"), "/api/v1/namespaces/prod/services", "*v1.Service"),
        (
            replace(SLICES, namespace="prod"),
            "/apis/discovery.k8s.io/v1/namespaces/prod/endpointslices",
            "*v1.EndpointSlice",
        ),
    ],
)
def test_paths_and_names(resource: Resource, path: str, type_name: str) -> None:
    assert resource.path == path
    assert resource.type_name == type_name


def test_an_error_says_what_failed_and_when_to_come_back() -> None:
    error = ApiError("too many requests", status=429, retry_after_s=5.0)
    assert str(error) == "too many requests"
    assert (error.status, error.retry_after_s) == (429, 5.0)
    assert ApiError("down").status == 0


IN_POD = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
DESCRIBED = {
    "in-a-pod": (Access(), "https://[fd00::1]:443"),
    "context": (Access(kubeconfig="/k", context="kind-a"), "context kind-a of /k"),
    "current-context": (Access(kubeconfig="/k"), "current context of /k"),
    "endpoint": (Access(endpoint="http://127.0.0.1:8001"), "http://127.0.0.1:8001"),
    "bare-endpoint": (Access(endpoint="127.0.0.1:8001"), "127.0.0.1:8001"),
    "credentials": (Access(endpoint="https://me:secret@api:6443"), "https://api:6443"),
}


@table(("access", "text"), DESCRIBED.values(), ids=DESCRIBED)
def test_a_cluster_is_described_without_credentials(access: Access, text: str) -> None:
    assert access.described(IN_POD) == text
