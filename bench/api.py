"""What the bench does to the simulated API server: changes, faults, restarts."""

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

FOLLOWED = ("services", "endpointslices", "namespaces")
"""What a cluster DNS watches."""
_MERGE = "application/merge-patch+json"


class Api:
    """A connection to the API server of a kubeconfig."""

    def __init__(self, kubeconfig: Path, services: int, endpoints: int) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        found = config["clusters"][0]["cluster"]
        self._at = urlsplit(found["server"])
        self._trust = ssl.create_default_context(cafile=found["certificate-authority"])
        self._token = config["users"][0]["user"]["token"]
        self.counts = list(cluster.endpoints_of(services, endpoints))
        self._connection = self._connect()

    def move_endpoint(self, number: int, address: str) -> None:
        """Let the first endpoint of a Service have another ``address``."""
        new = cluster.slice_of(number, self.counts[number], address)
        path = f"{_slices(cluster.namespace(number))}/{new['metadata']['name']}"
        self._ask("PATCH", path, {"endpoints": new["endpoints"]}, _MERGE)

    def make_bystanders(self) -> None:
        """Create a ConfigMap in each namespace: an object that no DNS follows."""
        for number in range(min(cluster.SPACES, len(self.counts))):
            meta = {"name": "bystander", "namespace": cluster.namespace(number)}
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}
            self._ask("POST", _config_maps(number), body)

    def change_bystander(self, number: int, address: str) -> None:
        """Write as much as ``move_endpoint`` does, but nothing that DNS sees."""
        new = cluster.slice_of(number, self.counts[number], address)
        data = {"data": {"endpoints": json.dumps(new["endpoints"])}}
        self._ask("PATCH", f"{_config_maps(number)}/bystander", data, _MERGE)

    def restart(self, down_s: float, *, streaming: bool) -> None:
        """Restart, and answer the next watches with 410: all lists have to be anew.

        Without ``streaming`` the server knows no lists that are watches.
        """
        rules = [
            {"verb": "watch", "resource": each, "status": 410, "times": 1}
            for each in FOLLOWED
        ]
        refusal = {} if streaming else {"refuse_watch_list": 400}
        self._ask("POST", "/sim/faults", {"rules": rules, **refusal})
        self._ask("DELETE", "/sim/requests")
        self._ask("POST", "/sim/actions", {"do": "kill", "for_s": down_s})

    def relisted(self, resource: str) -> bool:
        """Return whether ``resource`` has been asked for anew since the restart."""
        said = self._ask("GET", f"/sim/requests?resource={resource}")
        return any(
            each["verb"] == "list" or "sendInitialEvents" in json.dumps(each)
            for each in said["requests"]
        )

    def heal(self) -> None:
        """Let nothing be wrong any more."""
        self._ask("DELETE", "/sim/faults")

    @contextmanager
    def watch_slices(self) -> Iterator[Iterator[bytes]]:
        """Give the lines of a watch of all EndpointSlices, from now on."""
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
        """Return the answer; through a restart of the server, ask until it is back."""
        data = None if body is None else json.dumps(body)
        headers = self._headers(style or "application/json")
        end = time.monotonic() + 30
        while True:
            with suppress(OSError, http.client.HTTPException):
                self._connection.request(method, path, data, headers)
                answer = self._connection.getresponse()
                said: Json = json.loads(answer.read())
                if answer.status >= 300:
                    raise SystemExit(f"{method} {path}: {said}")
                return said
            self._connection.close()
            if time.monotonic() > end:
                raise SystemExit(f"no answer to {method} {path}")
            time.sleep(0.05)


def _config_maps(number: int) -> str:
    return f"/api/v1/namespaces/{cluster.namespace(number)}/configmaps"


def _slices(namespace: str = "") -> str:
    within = f"/namespaces/{namespace}" if namespace else ""
    return f"/apis/discovery.k8s.io/v1{within}/endpointslices"
