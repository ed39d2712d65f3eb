"""Each real Corefile parses to the listeners and directives it is known to have."""

import pytest

from minidns.corefile import blocks
from tests.corefiles import DIRECTIVES, ENVIRON, MOUNT, Case, cases
from tests.table import table

REAL = {case.name: case for case in cases("real")}

IMPORTS = ["*.override", "*.server"]
WARNINGS = {
    "aks": [f"custom/{each}" for each in IMPORTS],
    "doks": [f"custom/{each}" for each in IMPORTS],
    "gardener": [f"custom/{each}" for each in IMPORTS],
    "kapsule": [f"custom/{each}" for each in IMPORTS],
    "k3s": [f"/etc/coredns/custom/{each}" for each in IMPORTS],
    "vcluster": [f"/etc/coredns/custom/{each}" for each in IMPORTS],
}
"""Patterns that match nothing in a cluster without customisations."""

FILES = {
    "aks-custom": ["hosts.override", "log.override", "onprem.server", "rewrite.server"],
    "gardener-rewrites": ["debug.override", "stub.server"],
    "k3s-custom": ["log.override", "apps.server", "corp.server"],
}

DIGESTS = {
    "kubeadm": "1b226df79860026c6a52e67daa10d7f0d57ec5b023288ec00c5e05f93523c894"
    "564e15b91770d3a07ae1cfbe861d15b37d4a0027e69c546ab112970993a3b03b",
    "kubeadm-1.30": "591cf328cccc12bc490481273e738df59329c62c0b729d94e8b61db9961c2fa5"
    "f046dd37f1cf888b953814040d180f52594972691cd6ff41be96639138a43908",
}
"""The hashes that CoreDNS 1.9 to 1.14 log as "Running configuration SHA512"."""


def parse(case: Case) -> blocks.Corefile:
    return blocks.parse(case.text, files=case.files, environ=ENVIRON, known=DIRECTIVES, directory=MOUNT)


def test_there_are_enough_to_mean_something() -> None:
    assert len(REAL) >= 40


@table("name", REAL)
def test_listeners_and_directives(name: str) -> None:
    found = [
        " ".join([*map(str, block.keys), "|", *(directive.name for directive in block.directives)])
        for block in parse(REAL[name]).blocks
    ]
    assert found == REAL[name].blocks


@table("name", REAL)
def test_warnings(name: str) -> None:
    assert list(parse(REAL[name]).warnings) == [
        f"No files matching import glob pattern: {pattern}" for pattern in WARNINGS.get(name, [])
    ]


@table("name", REAL)
def test_nothing_is_wrong(name: str) -> None:
    case = REAL[name]
    found = blocks.problems(case.text, files=case.files, environ=ENVIRON, known=DIRECTIVES, directory=MOUNT)
    assert found == ()


@table(("name", "files"), FILES.items())
def test_files_read(name: str, files: list[str]) -> None:
    paths = [f"{MOUNT}/custom/{file}" for file in files]
    assert list(parse(REAL[name]).files) == ["Corefile", *paths]


@pytest.mark.parametrize(("name", "digest"), DIGESTS.items())
def test_digest_is_the_one_in_logs_of_coredns(name: str, digest: str) -> None:
    assert parse(REAL[name]).digest == digest


def test_options_of_kubeadm() -> None:
    (block,) = parse(REAL["kubeadm"]).blocks
    options = {
        directive.name: (directive.args, [(line.name, line.args) for line in directive.block])
        for directive in block.directives
    }
    assert options == {
        "errors": ((), []),
        "health": ((), [("lameduck", ("5s",))]),
        "ready": ((), []),
        "kubernetes": (
            ("cluster.local", "in-addr.arpa", "ip6.arpa"),
            [("pods", ("insecure",)), ("fallthrough", ("in-addr.arpa", "ip6.arpa")), ("ttl", ("30",))],
        ),
        "prometheus": ((":9153",), []),
        "forward": ((".", "/etc/resolv.conf"), [("max_concurrent", ("1000",))]),
        "cache": (("30",), [("disable", ("success", "cluster.local")), ("disable", ("denial", "cluster.local"))]),
        "loop": ((), []),
        "reload": ((), []),
        "loadbalance": ((), []),
    }


def test_environment_and_snippets_reach_every_option() -> None:
    first, second = parse(REAL["snippets-environment"]).blocks
    for block in (first, second):
        (cache,) = block.named("cache")
        (forward,) = block.named("forward")
        (bind,) = block.named("bind")
        assert cache.args == ("60",)
        assert cache.block[0].args == ("9984", "10")
        assert forward.args == (".", "192.0.2.53", "tls://192.0.2.54")
        assert [line.name for line in forward.block] == ["max_concurrent", "policy"]
        assert bind.args == ("192.0.2.7", "127.0.0.1")
    assert first.named("health")[0].args == ("192.0.2.7:8080",)


def test_templates_keep_their_braces_and_backslashes() -> None:
    block = parse(REAL["wildcard-template"]).blocks[0]
    lines = block.named("template")[0].block
    assert lines[0].args == (r"^(?P<name>[a-z0-9-]+)\.dev\.example\.org\.$",)
    assert lines[1].args == ("{{ .Name }} 60 IN A 192.0.2.80",)


def test_options_of_imported_files_know_their_file() -> None:
    block = parse(REAL["aks-custom"]).blocks[0]
    (hosts,) = block.named("hosts")
    assert (hosts.file, hosts.line) == (f"{MOUNT}/custom/hosts.override", 1)
    assert hosts.block[0].line == 2
