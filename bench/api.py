"""A client of the simulated API server: changes, faults, restarts."""

import http.client
import json
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from bench import cluster
from sim.api.objects import Json

WATCHED = ("services", "endpointslices", "namespaces")
"""The resources that a cluster DNS watches."""
_MERGE = "application/merge-patch+json"


class Api:
    """A connection to the API server of a kubeconfig."""

    def __init__(self, kubeconfig: Path, services: int, endpoints: int) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        server = config["clusters"][0]["cluster"]
        self._at = urlsplit(server["server"])
        self._trust = ssl.create_default_context(cafile=server["certificate-authority"])
        self._token = config["users"][0]["user"]["token"]
        self.counts = list(cluster.endpoints_of(services, endpoints))
        self._connection = self._connect()

    def move_endpoint(self, number: int, address: str) -> None:
        """Change the address of the first endpoint of a Service to ``address``."""
        new = cluster.slice_of(number, self.counts[number], address)
        path = f"{_slices(cluster.namespace(number))}/{new['metadata']['name']}"
        self._ask("PATCH", path, {"endpoints": new["endpoints"]}, _MERGE)

    def make_bystanders(self) -> None:
        """Create a ConfigMap, which no DNS server watches, in each namespace."""
        for number in range(min(cluster.SPACES, len(self.counts))):
            meta = {"name": "bystander", "namespace": cluster.namespace(number)}
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}
            self._ask("POST", _config_maps(number), body)

    def change_bystander(self, number: int, address: str) -> None:
        """Write as much as ``move_endpoint`` does, without effect on DNS."""
        new = cluster.slice_of(number, self.counts[number], address)
        data = {"data": {"endpoints": json.dumps(new["endpoints"])}}
        self._ask("PATCH", f"{_config_maps(number)}/bystander", data, _MERGE)

    def restart(self, down_s: float, *, streaming: bool) -> None:
        """Restart, and answer the next watches with 410, so that clients list again.

        Without ``streaming`` the server does not support streaming lists.
        """
        rules = [
            {"verb": "watch", "resource": resource, "status": 410, "times": 1}
            for resource in WATCHED
        ]
        refusal = {} if streaming else {"refuse_watch_list": 400}
        self._ask("POST", "/sim/faults", {"rules": rules, **refusal})
        self._ask("DELETE", "/sim/requests")
        self._ask("POST", "/sim/actions", {"do": "kill", "for_s": down_s})

    def relisted(self, resource: str) -> bool:
        """Return whether ``resource`` was listed since the restart."""
        log = self._ask("GET", f"/sim/requests?resource={resource}")
        return any(
            request["verb"] == "list" or "sendInitialEvents" in json.dumps(request)
            for request in log["requests"]
        )

    def heal(self) -> None:
        """Remove all faults."""
        self._ask("DELETE", "/sim/faults")

    @contextmanager
    def watch_slices(self) -> Iterator[Iterator[bytes]]:
        """Give the lines of a watch of all EndpointSlices that starts now."""
        connection = self._connect()
        try:
            path = f"{_slices()}?limit=1"
            version = self._ask("GET", path)["metadata"]["resourceVersion"]
            path = f"{_slices()}?watch=1&resourceVersion={version}"
            connection.request("GET", path, headers=self._headers())
            yield iter(connection.getresponse().readline, b"")
        finally:
            connection.close()

    def _connect(self) -> http.client.HTTPSConnection:
        host, port = self._at.hostname or "", self._at.port
        return http.client.HTTPSConnection(host, port, context=self._trust, timeout=60)

    def _headers(self, style: str = "application/json") -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}", "Content-Type": style}

    def _ask(
        self, method: str, path: str, body: Json | None = None, style: str = ""
    ) -> Json:
        """Return the response; retry while the server restarts."""
        data = None if body is None else json.dumps(body)
        headers = self._headers(style or "application/json")
        end = time.monotonic() + 30
        while True:
            with suppress(OSError, http.client.HTTPException):
                self._connection.request(method, path, data, headers)
                answer = self._connection.getresponse()
                reply: Json = json.loads(answer.read())
                if answer.status >= 300:
                    raise SystemExit(f"{method} {path}: {reply}")
                return reply
            self._connection.close()
            if time.monotonic() > end:
                raise SystemExit(f"no answer to {method} {path}")
            time.sleep(0.05)


def _config_maps(number: int) -> str:
    return f"/api/v1/namespaces/{cluster.namespace(number)}/configmaps"


def _slices(namespace: str = "") -> str:
    within = f"/namespaces/{namespace}" if namespace else ""
    return f"/apis/discovery.k8s.io/v1{within}/endpointslices"
