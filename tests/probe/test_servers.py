"""Servers by address, by Service, and the pods behind a Service."""

from pathlib import Path

import pytest

from minidns.kubernetes.client import connect
from minidns.kubernetes.documents import Documents
from minidns.kubernetes.resources import Access
from minidns.probe.servers import NoServer, from_address, from_cluster
from sim.api.http import ApiServer
from tests.second_dns.world import cluster, workload
from tests.table import table

ADDRESSES = [
    ("10.96.0.10", ("10.96.0.10", 53)),
    ("127.0.0.1:5354", ("127.0.0.1", 5354)),
    ("fd00::a", ("fd00::a", 53)),
    ("[fd00::a]", ("fd00::a", 53)),
    ("[fd00::a]:5354", ("fd00::a", 5354)),
]
NO_ADDRESSES = ["", "a.test", "10.96.0.10:", "10.96.0.10:x", "10.96.0.10:65536", "[::1]:0"]


@table(("text", "expected"), ADDRESSES)
def test_an_address_may_have_a_port(text: str, expected: tuple[str, int]) -> None:
    assert from_address(text).address == expected


@table("text", NO_ADDRESSES)
def test_other_text_is_no_server(text: str) -> None:
    with pytest.raises(NoServer):
        from_address(text)


async def test_a_service_and_the_pods_behind_it(tmp_path: Path) -> None:
    simulated = cluster(workload())
    async with ApiServer(simulated) as server:
        kubeconfig = str(server.kubeconfig(tmp_path / "kubeconfig"))
        async with connect(Access(kubeconfig=kubeconfig)) as connection:
            api = Documents(connection)
            service = await from_cluster(api, "svc/kube-dns", "kube-system")
            pods = await from_cluster(api, "pods/kube-dns", "kube-system")
            for missing in ("svc/none", "pods/none"):
                with pytest.raises(NoServer):
                    await from_cluster(api, missing, "kube-system")
    assert [target.address for target in service] == [("10.96.0.10", 53)]
    running = {
        pod["metadata"]["name"]: (pod["status"]["podIP"], 53)
        for pod in simulated.list("Pod", "kube-system")
        if pod["metadata"]["labels"].get("k8s-app") == "kube-dns"
    }
    assert {target.label: target.address for target in pods} == running
