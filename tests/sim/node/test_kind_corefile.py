from minidns.corefile import blocks
from minidns.corefile.blocks import Directive, ServerBlock
from sim.node.kind_corefile import KIND, Place, Ports
from tests.table import table
from tests.world import FilesInMemory

PLACE = Place(Ports(1053, 1080, 1081, 1091, 1092), ("127.0.0.1", 1054), "/a b/config")


def block(text: str) -> ServerBlock:
    parsed = blocks.parse(text, files=FilesInMemory(), environ={}, known=None)
    (only,) = parsed.blocks
    return only


def directive(text: str, name: str) -> Directive:
    (only,) = (d for d in block(text).directives if d.name == name)
    return only


def test_kinds_own_is_read_as_it_is() -> None:
    (key,) = block(KIND).keys
    assert (key.zone, key.port) == (".", 53)
    assert " ".join(d.name for d in block(KIND).directives) == (
        "errors health ready kubernetes prometheus forward cache loop reload loadbalance"
    )


ADAPTED = PLACE.adapted(KIND)


@table(
    ("name", "args"),
    [
        ("bind", ("127.0.0.1",)),
        ("health", ("127.0.0.1:1080",)),
        ("ready", ("127.0.0.1:1081",)),
        ("prometheus", ("127.0.0.1:1091",)),
        ("forward", (".", "127.0.0.1:1054")),
        ("kubernetes", ("cluster.local", "in-addr.arpa", "ip6.arpa")),
        ("cache", ("30",)),
    ],
)
def test_adapted(name: str, args: tuple[str, ...]) -> None:
    (key,) = block(ADAPTED).keys
    assert (key.zone, key.port) == (".", 1053)
    assert directive(ADAPTED, name).args == args


@table(
    ("name", "lines"),
    [
        (
            "kubernetes",
            [
                ("kubeconfig", "/a b/config"),
                ("pods", "insecure"),
                ("fallthrough", "in-addr.arpa", "ip6.arpa"),
                ("ttl", "30"),
            ],
        ),
        ("forward", [("max_concurrent", "1000")]),
        ("health", [("lameduck", "0s")]),
    ],
)
def test_options_stay_and_the_kubeconfig_is_named(name: str, lines: list[tuple[str, ...]]) -> None:
    block = directive(ADAPTED, name).block
    assert [(line.name, *line.args) for line in block] == lines


def test_changes_are_all_there_is() -> None:
    assert list(PLACE.changes(KIND)) == [
        (".:53 {", ".:1053 {"),
        ("", "bind 127.0.0.1"),
        ("health {", "health 127.0.0.1:1080 {"),
        ("lameduck 5s", "lameduck 0s"),
        ("ready", "ready 127.0.0.1:1081"),
        ("", 'kubeconfig "/a b/config"'),
        ("prometheus :9153", "prometheus 127.0.0.1:1091"),
        ("forward . /etc/resolv.conf {", "forward . 127.0.0.1:1054 {"),
    ]


@table("line", ["# health {", "    forward acme.example 192.0.2.1", "    log", "acme.example:1053 {"])
def test_other_lines_stay(line: str) -> None:
    assert PLACE.adapted(line) == f"{line}\n"


def test_a_kubernetes_line_without_options_gets_its_kubeconfig_too() -> None:
    adapted = PLACE.adapted(".:53 {\n    kubernetes cluster.local\n}\n")
    (line,) = directive(adapted, "kubernetes").block
    assert (line.name, *line.args) == ("kubeconfig", "/a b/config")
