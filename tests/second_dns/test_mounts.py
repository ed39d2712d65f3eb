import pytest

from minidns.second_dns import running
from minidns.second_dns.running import Mount, Mounted
from sim.api.objects import Json
from tests.table import table

DATA = {"Corefile": "a", "NodeHosts": "b"}


def mount(path: str = "/etc/coredns", sub: str = "", **config_map: object) -> Mount:
    volume = {"name": "v", "configMap": {"name": "coredns", **config_map}}
    made: Json = {"name": "v", "mountPath": path}
    return Mount(volume, made | ({"subPath": sub} if sub else {}))


ITEMS = [{"key": "Corefile", "path": "Corefile"}]
RENAMED = [{"key": "NodeHosts", "path": "Corefile.d"}, {"key": "Corefile", "path": "conf/file"}]


@table(
    ("mounted", "files"),
    [
        pytest.param(mount(), {"/etc/coredns/Corefile": "a", "/etc/coredns/NodeHosts": "b"}, id="whole"),
        pytest.param(mount(items=ITEMS), {"/etc/coredns/Corefile": "a"}, id="items"),
        pytest.param(
            mount(items=[{"key": "Corefile", "path": "conf/file"}]), {"/etc/coredns/conf/file": "a"}, id="items-renamed"
        ),
        pytest.param(mount("/etc/Corefile", "Corefile"), {"/etc/Corefile": "a"}, id="sub-path"),
        pytest.param(
            mount("/etc/Corefile", "conf/file", items=RENAMED), {"/etc/Corefile": "a"}, id="sub-path-of-items-renamed"
        ),
        pytest.param(mount("/etc/Corefile", "Corefile", items=RENAMED), {}, id="sub-path-is-a-path-not-a-key"),
        pytest.param(mount(items=[{"key": "no", "path": "no"}]), {}, id="key-missing"),
    ],
)
def test_files(mounted: Mount, files: dict[str, str]) -> None:
    assert dict(mounted.files({"data": DATA})) == files
    assert mounted.is_frozen == ("subPath" in mounted.mount)


def test_files_of_an_empty_config_map() -> None:
    assert list(mount().files({})) == []


@table(
    ("path", "held"),
    [("/etc/coredns", True), ("/etc/coredns/Corefile", True), ("/etc/coredns-2/Corefile", False), ("/etc", False)],
)
def test_what_is_in_a_mount(path: str, held: bool) -> None:
    assert mount().holds(path) is held
    assert mount("/etc/coredns/").holds(path) is (held and path != "/etc/coredns")


def test_deepest_first_and_only_volumes_that_are_there() -> None:
    spec = {"volumes": [{"name": "a"}, {"name": "b"}]}
    container = {
        "volumeMounts": [
            {"name": "a", "mountPath": "/etc/coredns"},
            {"name": "gone", "mountPath": "/x"},
            {"name": "b", "mountPath": "/etc/coredns/custom"},
        ]
    }
    found = running.mounts_of(spec, container)
    assert [each.path for each in found] == ["/etc/coredns/custom", "/etc/coredns"]
    assert running.mounts_of({}, {}) == []


def test_imports_find_what_is_mounted() -> None:
    files = Mounted({"/etc/coredns/custom/b.server": "B", "/etc/coredns/Corefile": "C"})
    assert files.read("/etc/coredns/Corefile") == "C"
    assert files.glob("/etc/coredns/custom/*.server") == ["/etc/coredns/custom/b.server"]
    assert files.glob("/etc/coredns/*.server") == []
    assert files.glob("/nowhere/*") == []
    with pytest.raises(OSError, match="No such file"):
        files.read("/etc/coredns/custom/a.server")
