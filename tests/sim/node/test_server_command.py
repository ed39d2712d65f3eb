"""The command line of a DNS server pod follows from its container."""

from pathlib import Path

import pytest

from sim.api.objects import Json
from sim.node.confinement import Forbidden
from sim.node.kind_corefile import Ports
from sim.node.server_command import command
from tests.table import table

PORTS = Ports(1, 2, 3, 4, 5)
FILE = Path("/pods/Corefile")
CONF = ["-conf", "/pods/Corefile"]
EXPLAIN = ["-explain", f"127.0.0.1:{PORTS.explain}"]


def pod(image: str = "minidns", **container: object) -> Json:
    return {"spec": {"containers": [{"name": "dns", "image": image, **container}]}}


@table(
    ("args", "rest"),
    [
        pytest.param([], [], id="none"),
        pytest.param(["-conf", "/etc/coredns/Corefile"], [], id="the Corefile is that of the process"),
        pytest.param(["--conf=/etc/coredns/Corefile"], [], id="with an equals sign"),
        pytest.param(["-explain", "off", "-quiet"], ["-quiet"], id="the endpoint is that of the process"),
        pytest.param(["-as", "1.11.3"], ["-as", "1.11.3"], id="a release"),
        pytest.param(["-dns.port", "53"], [], id="the port of a pod"),
        pytest.param(["-bogus", "x"], ["-bogus", "x"], id="minidns refuses what it does not know"),
        pytest.param(["-log.format=json"], ["-log.format=json"], id="a value with an equals sign"),
    ],
)
def test_arguments_reach_the_process(args: list[str], rest: list[str]) -> None:
    assert command(pod(args=args), FILE, PORTS) == ["minidns", *CONF, *EXPLAIN, *rest]
    assert command(pod(args=args), FILE, PORTS, Path("/coredns")) == ["/coredns", *CONF, *rest]


def test_the_program_of_a_command_is_known() -> None:
    assert command(pod(command=["/minidns", "-quiet"]), FILE, PORTS)[-1] == "-quiet"


def test_an_image_of_coredns_names_a_release_unless_an_argument_does() -> None:
    image = "registry.example.org/coredns/coredns:v1.11.3"
    assert command(pod(image), FILE, PORTS)[-2:] == ["-as", "1.11.3"]
    assert command(pod(image, args=["-as", "1.12.0"]), FILE, PORTS)[-2:] == ["-as", "1.12.0"]


@table(
    "args",
    [
        ["-pidfile", "/etc/passwd"],
        ["-pidfile=/etc/passwd"],
        ["--kubeconfig", "/root/.kube/config"],
        ["-dns.port", "1053"],
        ["-dns.port"],
        ["-p=1053"],
        ["-shadow", "kube-system/kube-dns"],
        ["--listen", "0.0.0.0:53"],
        ["--resolv-conf", "/etc/shadow"],
    ],
)
def test_what_leaves_the_simulation_is_refused(args: list[str]) -> None:
    with pytest.raises(Forbidden, match=args[0].partition("=")[0].lstrip("-")):
        command(pod(args=args), FILE, PORTS)
