import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import trustme
import yaml
from kubernetes import client as sync_client
from kubernetes import config as sync_config
from kubernetes.aio import client, config

from sim.api.http import ApiServer
from sim.api.kinds import named
from sim.api.objects import Json, version_of
from sim.cluster.population import services
from sim.controllers.cluster import Cluster
from tests.sim.builders import (
    DEADLINE_S,
    Client,
    certificates,
    config_map,
    deployment,
    names,
    namespace,
    pod,
    service,
    serving,
    until,
)
from tests.table import table

SERVICES = "/api/v1/namespaces/default/services"
MAPS = "/api/v1/namespaces/default/configmaps"
COREDNS = "system:serviceaccount:kube-system:coredns"


@pytest.fixture
async def api() -> AsyncIterator[Client]:
    async with serving(Cluster()) as found:
        yield found


async def test_create_read_change_delete(api: Client) -> None:
    status, obj = await api.ask("POST", MAPS, config_map(a="1"))
    assert (status, obj["data"]) == (201, {"a": "1"})
    assert await api.get(f"{MAPS}/cm") == obj
    status, obj = await api.ask("PUT", f"{MAPS}/cm", config_map(a="2"))
    assert (status, obj["data"]) == (200, {"a": "2"})
    merge = {"Content_Type": "application/merge-patch+json"}
    status, obj = await api.ask("PATCH", f"{MAPS}/cm", {"data": {"b": "3"}}, **merge)
    assert (status, obj["data"]) == (200, {"a": "2", "b": "3"})
    status, gone = await api.ask("DELETE", f"{MAPS}/cm")
    assert (status, gone["status"]) == (200, "Success")
    assert gone["details"]["uid"] == obj["metadata"]["uid"]
    assert (await api.ask("GET", f"{MAPS}/cm"))[0] == 404


async def test_body_may_be_yaml(api: Client) -> None:
    url = api.server.url + MAPS
    text = yaml.safe_dump(config_map(a="1"))
    headers = {"Content-Type": "application/yaml"}
    async with api.session.post(url, data=text, headers=headers) as response:
        assert response.status == 201


async def test_server_side_apply(api: Client) -> None:
    apply = {"Content_Type": "application/apply-patch+yaml"}
    path = f"{MAPS}/cm?fieldManager=me"
    assert (await api.ask("PATCH", path, config_map(a="1"), **apply))[0] == 201
    assert (await api.ask("PATCH", path, config_map(a="2"), **apply))[0] == 200
    other = f"{MAPS}/cm?fieldManager=you"
    status, body = await api.ask("PATCH", other, config_map(a="3"), **apply)
    assert (status, body["details"]["causes"][0]["field"]) == (409, ".data.a")
    forced = f"{other}&force=true"
    assert (await api.ask("PATCH", forced, config_map(a="3"), **apply))[0] == 200
    status, body = await api.ask("PATCH", f"{MAPS}/cm", config_map(), **apply)
    assert (status, body["message"]) == (
        422,
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
    )


async def test_delete_collection(api: Client) -> None:
    for name in ("a-1", "a-2", "b-1"):
        api.server.cluster.create(pod(name))
    path = "/api/v1/namespaces/default/pods"
    _, body = await api.ask("DELETE", f"{path}?labelSelector=app%3Da")
    assert names(body["items"]) == ["a-1", "a-2"]
    assert names((await api.get(path))["items"]) == ["b-1"]


async def test_dry_run(api: Client) -> None:
    assert (await api.ask("POST", f"{MAPS}?dryRun=All", config_map()))[0] == 201
    assert (await api.get(MAPS))["items"] == []
    status, body = await api.ask("POST", f"{MAPS}?dryRun=Some", config_map())
    assert (status, body["reason"]) == (422, "Invalid")


async def test_status_subresource(api: Client) -> None:
    api.server.cluster.create(pod())
    path = "/api/v1/namespaces/default/pods/web-1/status"
    merge = {"Content_Type": "application/merge-patch+json"}
    patch = {"status": {"reason": "Because"}, "spec": {"hostname": "x"}}
    status, body = await api.ask("PATCH", path, patch, **merge)
    assert (status, body["status"]["reason"]) == (200, "Because")
    assert "hostname" not in body["spec"]
    assert (await api.get(path))["status"]["reason"] == "Because"
    assert (await api.ask("GET", f"{MAPS}/x/status"))[0] == 404


async def test_scale_subresource(api: Client) -> None:
    api.server.cluster.create(deployment(replicas=1))
    path = "/apis/apps/v1/namespaces/default/deployments/web/scale"
    scale = await api.get(path)
    assert (scale["kind"], scale["spec"]["replicas"]) == ("Scale", 1)
    merge = {"Content_Type": "application/merge-patch+json"}
    patch: Json = {"spec": {"replicas": 3}}
    assert (await api.ask("PATCH", path, patch, **merge))[0] == 200
    assert len(api.server.cluster.list("Pod")) == 3
    scale["spec"]["replicas"] = 2
    assert (await api.ask("PUT", path, scale))[0] == 409
    patch = {"spec": {"replicas": -1}}
    assert (await api.ask("PATCH", path, patch, **merge))[0] == 422


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "message"),
    [
        pytest.param("GET", f"{SERVICES}/none", None, 404, 'services "none" not found', id="no-object"),
        pytest.param(
            "GET", "/api/v1/nonsense", None, 404, "the server could not find the requested resource", id="no-resource"
        ),
        pytest.param(
            "POST",
            "/api/v1/namespaces/nowhere/configmaps",
            config_map(namespace="nowhere"),
            404,
            'namespaces "nowhere" not found',
            id="no-namespace",
        ),
        pytest.param(
            "POST",
            MAPS,
            config_map(namespace="kube-system"),
            400,
            "the namespace of the provided object does not match the namespace sent on the request",
            id="other-namespace",
        ),
        pytest.param(
            "POST",
            MAPS,
            service(),
            400,
            'Service in version "v1" cannot be handled as a ConfigMap: expected ConfigMap in version "v1"',
            id="other-kind",
        ),
        pytest.param(
            "PUT",
            f"{MAPS}/x",
            config_map("y"),
            400,
            "the name of the object (y) does not match the name on the URL (x)",
            id="other-name",
        ),
        pytest.param(
            "POST",
            MAPS,
            [],
            400,
            "the object provided is unrecognized (must be of type Object)",
            id="no-object-in-body",
        ),
        pytest.param(
            "POST",
            f"{MAPS}/x",
            config_map(),
            405,
            "the server does not allow this method on the resource",
            id="post-to-an-object",
        ),
        pytest.param(
            "GET",
            f"{SERVICES}?fieldSelector=spec.x%3D1",
            None,
            400,
            'field label not supported: "spec.x"',
            id="field-selector",
        ),
    ],
)
async def test_refusals(api: Client, method: str, path: str, body: object, code: int, message: str) -> None:
    status, answer = await api.ask(method, path, body)
    assert (status, answer["code"], answer["message"]) == (code, code, message)
    assert (answer["kind"], answer["status"]) == ("Status", "Failure")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(b"", "begins with k8s and a zero byte", id="empty"),
        pytest.param(b"k8s\0\x0a\x7f", "in the middle of a field", id="cut"),
        pytest.param(b"k8s\0\xff", "in the middle of a number", id="cut-number"),
        pytest.param(b"k8s\0\x0a\x00", "no table for None", id="no-kind"),
        pytest.param(b"k8s\0\x08\x01", "bytes were expected", id="wrong-type"),
        pytest.param(b"k8s\0\x0d", "wire type 5", id="unused-wire-type"),
        pytest.param(
            b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09Namespace\x12\x03\x22\x01x",
            "field 4 of Namespace is in no table",
            id="unknown-field",
        ),
    ],
)
async def test_protobuf_that_cannot_be_read_is_refused_with_advice(api: Client, body: bytes, message: str) -> None:
    url = f"{api.server.url}/api/v1/namespaces"
    headers = {"Content-Type": "application/vnd.kubernetes.protobuf"}
    async with api.session.post(url, data=body, headers=headers) as response:
        assert response.status == 415
        status = json.loads(await response.read())
    assert message in status["message"]
    assert "--dry-run=client -o yaml | kubectl apply -f -" in status["message"]


async def test_body_that_is_no_json(api: Client) -> None:
    url = api.server.url + MAPS
    async with api.session.post(url, data=b"{") as response:
        assert response.status == 400
        assert json.loads(await response.read())["reason"] == "BadRequest"


async def test_body_that_is_too_large(api: Client) -> None:
    status, _ = await api.ask("POST", MAPS, config_map(a="x" * 3_200_000))
    assert status == 413


async def test_list_of_the_future_waits_and_then_gives_up(api: Client) -> None:
    url = f"{api.server.url}{SERVICES}?resourceVersion=99999999"
    async with api.session.get(url) as response:
        assert (response.status, response.headers["Retry-After"]) == (504, "1")
        body = json.loads(await response.read())
    assert body["reason"] == "Timeout"
    assert body["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
    assert "Too large resource version: 99999999, current: " in body["message"]


async def test_list_of_the_near_future_is_answered_when_it_is_there() -> None:
    cluster = Cluster()
    async with serving(cluster, future_wait_s=DEADLINE_S) as api:
        path = f"{MAPS}?resourceVersion={cluster.version + 1}"
        task = asyncio.create_task(api.get(path))
        await until(lambda: api.server.requests.count("list") > 0)
        cluster.create(config_map())
        assert names((await task)["items"]) == ["cm"]


async def test_table_and_metadata_alone(api: Client) -> None:
    table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    body = await api.get(SERVICES, Accept=table)
    assert body["kind"] == "Table"
    assert body["rows"][0]["cells"][:3] == ["kubernetes", "ClusterIP", "10.96.0.1"]
    partial = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
    body = await api.get(SERVICES, Accept=partial)
    assert [set(item) for item in body["items"]] == [{"kind", "apiVersion", "metadata"}]


async def test_clients_that_prefer_protobuf_get_json(api: Client) -> None:
    accept = "application/vnd.kubernetes.protobuf, */*"
    url = api.server.url + SERVICES
    async with api.session.get(url, headers={"Accept": accept}) as response:
        assert response.content_type == "application/json"


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
async def test_health(api: Client, path: str) -> None:
    async with api.session.get(api.server.url + path) as response:
        assert (response.status, await response.text()) == (200, "ok")


async def test_version() -> None:
    async with serving(Cluster(), version="v1.29.3") as api:
        found = await api.get("/version")
    assert (found["major"], found["minor"], found["gitVersion"]) == ("1", "29", "v1.29.3")


async def test_watch_goes_on_from_the_list(api: Client) -> None:
    version = (await api.get(MAPS))["metadata"]["resourceVersion"]
    cluster = api.server.cluster
    cluster.create(config_map("a"))
    async with api.watch(f"{MAPS}?resourceVersion={version}") as lines:
        assert await lines.seen(1) == [("ADDED", "a")]
        cluster.create(config_map("b"))
        cluster.update(config_map("a", x="1"))
        cluster.delete("ConfigMap", "default", "a")
        assert await lines.seen(3) == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "a")]


async def test_watch_events_say_their_kind(api: Client) -> None:
    async with api.watch(f"{SERVICES}?resourceVersion=0") as lines:
        _, obj = await lines.event()
    assert (obj["kind"], obj["apiVersion"]) == ("Service", "v1")


@pytest.mark.parametrize("query", ["", "?resourceVersion=0"])
async def test_watch_from_anywhere_begins_with_everything(api: Client, query: str) -> None:
    api.server.cluster.create(config_map("a"))
    async with api.watch(MAPS + query) as lines:
        assert await lines.seen(1) == [("ADDED", "a")]


async def test_watch_of_a_selection(api: Client) -> None:
    cluster = api.server.cluster
    version = cluster.version
    path = f"/api/v1/pods?resourceVersion={version}&labelSelector=app%3Dweb"
    async with api.watch(path) as lines:
        cluster.create(pod("web-1"))
        cluster.create(pod("api-1"))
        relabel = {"metadata": {"labels": {"app": "api"}}}
        cluster.patch("Pod", "default", "web-1", relabel)
        assert await lines.seen(3) == [("ADDED", "web-1"), ("MODIFIED", "web-1"), ("DELETED", "web-1")]


async def test_watch_of_one_object(api: Client) -> None:
    cluster = api.server.cluster
    cluster.create(config_map("b"))
    async with api.watch(f"{MAPS}/a?resourceVersion={cluster.version}") as lines:
        cluster.update(config_map("b", x="1"))
        cluster.create(config_map("a"))
        assert await lines.seen(1) == [("ADDED", "a")]


async def test_watch_ends_at_its_time_with_a_bookmark(api: Client) -> None:
    query = f"?resourceVersion={api.server.cluster.version}&timeoutSeconds=0.05"
    async with api.watch(f"{MAPS}{query}&allowWatchBookmarks=true") as lines:
        ((kind, obj),) = await lines.rest()
    assert kind == "BOOKMARK"
    assert version_of(obj) == api.server.cluster.version
    async with api.watch(MAPS + query) as lines:
        assert await lines.rest() == []


async def test_streaming_list(api: Client) -> None:
    cluster = api.server.cluster
    for name in "ab":
        cluster.create(config_map(name))
    query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
    async with api.watch(f"{MAPS}?{query}&allowWatchBookmarks=true") as lines:
        assert await lines.seen(2) == [("ADDED", "a"), ("ADDED", "b")]
        kind, obj = await lines.event()
        assert kind == "BOOKMARK"
        assert obj["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert version_of(obj) == cluster.version
        cluster.delete("ConfigMap", "default", "a")
        assert await lines.seen(1) == [("DELETED", "a")]


async def test_streaming_list_of_nothing_at_first(api: Client) -> None:
    query = "sendInitialEvents=false&resourceVersionMatch=NotOlderThan"
    api.server.cluster.create(config_map("a"))
    async with api.watch(f"{MAPS}?{query}") as lines:
        api.server.cluster.create(config_map("b"))
        assert await lines.seen(1) == [("ADDED", "b")]


@pytest.mark.parametrize(
    "query",
    [
        "sendInitialEvents=true",
        "sendInitialEvents=true&resourceVersionMatch=NotOlderThan",
        "resourceVersionMatch=NotOlderThan&resourceVersion=1",
    ],
)
async def test_watch_options_that_do_not_go_together(api: Client, query: str) -> None:
    status, body = await api.ask("GET", f"{MAPS}?watch=1&{query}")
    assert (status, body["reason"]) == (422, "Invalid")


async def test_watch_from_a_forgotten_version(api: Client) -> None:
    cluster = api.server.cluster
    cluster.create(config_map())
    cluster.compact()
    async with api.watch(f"{MAPS}?resourceVersion=1") as lines:
        ((kind, status),) = await lines.rest()
    assert (kind, status["code"], status["reason"]) == ("ERROR", 410, "Expired")
    assert status["message"] == f"too old resource version: 1 ({cluster.version})"


async def test_watch_from_the_future_is_silent_till_its_end(api: Client) -> None:
    query = "resourceVersion=99999999&timeoutSeconds=0.05&allowWatchBookmarks=1"
    async with api.watch(f"{MAPS}?{query}") as lines:
        api.server.cluster.create(config_map())
        assert await lines.rest() == []


async def test_watch_in_rows(api: Client) -> None:
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    path = f"{SERVICES}?resourceVersion=0"
    async with api.watch(path, {"Accept": table}) as lines:
        _, obj = await lines.event()
    assert (obj["kind"], obj["rows"][0]["cells"][0]) == ("Table", "kubernetes")


async def test_many_watchers_see_the_same(api: Client) -> None:
    cluster = api.server.cluster

    async def watch() -> list[tuple[str, str]]:
        async with api.watch(f"{MAPS}?resourceVersion={start}") as lines:
            return await lines.seen(20)

    start = cluster.version
    watchers = [asyncio.create_task(watch()) for _ in range(50)]
    await until(lambda: len(api.server.streams) == 50)
    for index in range(20):
        cluster.create(config_map(f"m{index}"))
    seen = await asyncio.gather(*watchers)
    assert all(events == seen[0] for events in seen)
    assert seen[0][-1] == ("ADDED", "m19")


async def test_watchers_that_leave_are_forgotten(api: Client) -> None:
    listeners = api.server.cluster.store[named("ConfigMap")].listeners
    async with api.watch(f"{MAPS}?resourceVersion=1"):
        assert len(listeners) == 1
    await until(lambda: not api.server.streams and not listeners)


async def test_tokens_and_roles() -> None:
    tokens = {"good": COREDNS, "admin": "kubernetes-admin"}
    async with serving(Cluster(), tokens=tokens, has_rbac=True) as api:
        for token, expected in (("bad", 401), ("good", 403), ("admin", 200)):
            bearer = {"Authorization": f"Bearer {token}"}
            status, body = await api.ask("GET", "/api/v1/services", **bearer)
            assert status == expected
        assert (await api.ask("GET", "/api/v1/services"))[0] == 401
        bearer = {"Authorization": "Bearer good"}
        status, body = await api.ask("GET", "/api/v1/services?watch=1", **bearer)
        assert (status, body["message"]) == (
            403,
            f'services is forbidden: User "{COREDNS}" cannot watch resource '
            '"services" in API group "" at the cluster scope',
        )


@table(
    ("has_rbac", "spec", "allowed"),
    [
        (False, {"resourceAttributes": {"verb": "list", "resource": "pods"}}, True),
        (True, {"resourceAttributes": {"verb": "list", "resource": "pods"}}, False),
        (True, {"nonResourceAttributes": {"verb": "get", "path": "/version"}}, True),
        (True, {"nonResourceAttributes": {"verb": "get", "path": "/metrics"}}, False),
    ],
)
async def test_access_review(has_rbac: bool, spec: Json, allowed: bool) -> None:
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    bearer = {"Authorization": f"Bearer {COREDNS}"}
    async with serving(Cluster(), has_rbac=has_rbac) as api:
        status, body = await api.ask("POST", path, {"spec": spec}, **bearer)
        assert (status, body["status"]["allowed"]) == (201, allowed)
        assert (await api.ask("POST", path, {"spec": {}}, **bearer))[0] == 400


async def test_tls_and_changed_certificate(tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    good = certificates(tmp_path, authority, "good")
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    (tmp_path / "other").mkdir()
    bad = certificates(tmp_path / "other", stranger, "bad")
    async with ApiServer(Cluster(), tls=good) as server:
        assert server.url.startswith("https://127.0.0.1:")
        await fetched(server, context)
        server.use_certificate(bad)
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await fetched(server, context)
        server.use_certificate(good)
        await fetched(server, context)


async def fetched(server: ApiServer, context: ssl.SSLContext) -> None:
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(connector=connector) as session, session.get(server.url + "/version") as response:
        assert response.status == 200


async def test_kubeconfig(tmp_path: Path) -> None:
    authority = trustme.CA()
    tls = certificates(tmp_path, authority, "server")
    async with ApiServer(Cluster(), tls=tls) as server:
        path = server.kubeconfig(tmp_path / "config", token="t")
        found = yaml.safe_load(path.read_text())
        assert found["current-context"] == "sim"
        cluster = found["clusters"][0]["cluster"]
        assert cluster["server"] == server.url
        assert cluster["certificate-authority"] == str(tmp_path / "ca.crt")
        assert found["users"][0]["user"] == {"token": "t"}


@pytest.mark.slow
async def test_asyncio_client_lists_and_watches(api: Client, tmp_path: Path) -> None:
    cluster = api.server.cluster
    for index in range(5):
        cluster.create(service(f"s{index}"))
    path = api.server.kubeconfig(tmp_path / "config")
    await config.load_kube_config(str(path))
    async with client.ApiClient() as connection:
        core = client.CoreV1Api(connection)
        found, token, version = [], None, ""
        while token != "":
            response = await core.list_service_for_all_namespaces_without_preload_content(limit=2, _continue=token)
            body = json.loads(await response.read())
            found += names(body["items"])
            token = body["metadata"].get("continue", "")
            version = body["metadata"]["resourceVersion"]
        assert found == ["kubernetes", *(f"s{index}" for index in range(5))]
        response = await core.list_service_for_all_namespaces_without_preload_content(
            watch=True, resource_version=version, allow_watch_bookmarks=True
        )
        cluster.delete("Service", "default", "s0")
        async with asyncio.timeout(DEADLINE_S):
            event = json.loads(await response.content.readline())
        assert (event["type"], event["object"]["metadata"]["name"]) == ("DELETED", "s0")
        response.close()


@pytest.mark.slow
async def test_asyncio_client_writes_models(api: Client, tmp_path: Path) -> None:
    path = api.server.kubeconfig(tmp_path / "config")
    await config.load_kube_config(str(path))
    async with client.ApiClient() as connection:
        core = client.CoreV1Api(connection)
        body = client.V1Service(
            metadata=client.V1ObjectMeta(name="web"), spec=client.V1ServiceSpec(ports=[client.V1ServicePort(port=80)])
        )
        made = await core.create_namespaced_service("default", body)
        assert made.spec.cluster_ip == "10.96.1.0"
        patch = {"metadata": {"labels": {"a": "b"}}}
        changed = await core.patch_namespaced_service("web", "default", patch)
        assert changed.metadata.labels == {"a": "b"}
        await core.delete_namespaced_service("web", "default")
    assert names(api.server.cluster.list("Service")) == ["kubernetes"]


@pytest.mark.slow
async def test_blocking_client(api: Client, tmp_path: Path) -> None:
    path = api.server.kubeconfig(tmp_path / "config")
    api.server.cluster.create(pod())

    def ask() -> list[str]:
        configuration = sync_client.Configuration()
        sync_config.load_kube_config(str(path), client_configuration=configuration)
        with sync_client.ApiClient(configuration) as connection:
            core = sync_client.CoreV1Api(connection)
            core.create_namespace(namespace("prod"))
            found = core.list_pod_for_all_namespaces()
            return [item.metadata.name for item in found.items]

    assert await asyncio.to_thread(ask) == ["web-1"]
    assert "prod" in names(api.server.cluster.list("Namespace"))


@pytest.mark.slow
async def test_large_lists_leave_in_pages(api: Client) -> None:
    api.server.cluster.load(services(300, 15))
    path = "/apis/discovery.k8s.io/v1/endpointslices"
    body = await api.get(f"{path}?limit=100")
    assert (len(body["items"]), body["metadata"]["remainingItemCount"]) == (100, 201)
    assert len((await api.get(f"{path}?limit=100&resourceVersion=0"))["items"]) == 301
