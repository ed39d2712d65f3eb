from sim.api.requests import RequestLog, read
from tests.table import table


@table(
    ("method", "path", "query", "expected"),
    [
        ("GET", "/api/v1/services", {}, ("list", "services", "", "")),
        ("GET", "/api/v1/services", {"watch": "1"}, ("watch", "services", "", "")),
        ("GET", "/api/v1/namespaces/a/services", {}, ("list", "services", "a", "")),
        ("GET", "/api/v1/namespaces/a/services/b", {}, ("get", "services", "a", "b")),
        ("POST", "/api/v1/namespaces/a/pods", {}, ("create", "pods", "a", "")),
        ("PUT", "/api/v1/namespaces/a/pods/b", {}, ("update", "pods", "a", "b")),
        ("PATCH", "/api/v1/namespaces/a/pods/b/status", {}, ("patch", "pods/status", "a", "b")),
        ("DELETE", "/api/v1/namespaces/a/pods/b", {}, ("delete", "pods", "a", "b")),
        ("DELETE", "/api/v1/namespaces/a/pods", {}, ("deletecollection", "pods", "a", "")),
        ("GET", "/api/v1/namespaces", {}, ("list", "namespaces", "", "")),
        ("GET", "/api/v1/namespaces/a", {}, ("get", "namespaces", "", "a")),
        ("GET", "/api/v1/namespaces/a/status", {}, ("get", "namespaces/status", "", "a")),
        ("GET", "/apis/discovery.k8s.io/v1/endpointslices", {}, ("list", "endpointslices", "", "")),
        ("GET", "/apis/apps/v2/deployments", {}, ("get", "", "", "")),
        ("GET", "/api/v1/nonsense", {}, ("get", "", "", "")),
        ("GET", "/api/v1/namespaces/a/nodes", {}, ("get", "", "", "")),
        ("GET", "/version", {}, ("get", "", "", "")),
        ("GET", "/", {}, ("get", "", "", "")),
    ],
)
def test_path(method: str, path: str, query: dict[str, str], expected: tuple[str, ...]) -> None:
    request = read(method, path, query, {}, 0)
    found = request.verb, request.resource, request.namespace, request.name
    assert found == expected


def test_manager_is_named_or_the_program() -> None:
    headers = {"User-Agent": "kubectl/v1.33 (linux)"}
    path = "/api/v1/services"
    assert read("POST", path, {}, headers, 0).manager == "kubectl"
    query = {"fieldManager": "me"}
    assert read("POST", path, query, headers, 0).manager == "me"


def test_log_counts() -> None:
    log = RequestLog()
    for query in ({}, {"watch": "1"}, {"watch": "1"}):
        log.add(read("GET", "/api/v1/services", query, {}, 0))
    log.add(read("GET", "/api/v1/pods", {}, {}, 0))
    assert log.count("watch", "services") == 2
    assert (log.count("list"), log.count(), len(log)) == (2, 4, 4)
    log.clear()
    assert log.count() == 0
