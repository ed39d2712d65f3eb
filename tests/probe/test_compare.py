"""The command, between real servers whose answers differ or do not."""

import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from sim.api.http import ApiServer
from tests.probe.fake_server import Behaviour, answers, in_turn, serving, silence
from tests.process import call
from tests.second_dns.world import cluster, with_second, workload

pytestmark = pytest.mark.slow  # servers that do not answer

ONE, TWO = answers("a.test. 60 A 192.0.2.1"), answers("a.test. 60 A 192.0.2.2")
NXDOMAIN = answers(rcode=3)
ROWS: list[tuple[Sequence[Behaviour], int, str | None, int | None]] = [
    # what the servers do; exit status; the class of the difference; who is at fault
    ((ONE, ONE), 0, None, None),
    ((ONE, ONE, ONE), 0, None, None),
    ((ONE, TWO), 1, "other records", None),
    ((ONE, NXDOMAIN), 1, "wrong rcode", None),
    ((ONE, answers("a.test. 59 A 192.0.2.1")), 0, "TTL or order", None),
    ((ONE, silence), 4, "time-out", 1),
    ((ONE, in_turn(silence, ONE)), 1, "lost", 1),
    ((ONE, in_turn(NXDOMAIN, ONE)), 1, "stale", 1),
    ((in_turn(NXDOMAIN, NXDOMAIN, ONE), ONE), 1, "stale", 0),
]


async def compared(servers: Sequence[str], *words: str) -> tuple[int, Any]:
    arguments = ("compare", *servers, "--timeout", "0.3s", "-o", "json", *words)
    status, out, err = await call(*arguments)
    assert "Traceback" not in err
    return status, json.loads(out) if out else err


@pytest.mark.parametrize(("behaviours", "status", "kind", "at_fault"), ROWS)
async def test_the_class_and_the_exit_status_of_a_difference(
    behaviours: Sequence[Behaviour], status: int, kind: str | None, at_fault: int | None
) -> None:
    async with AsyncExitStack() as stack:
        served = [await stack.enter_async_context(serving(behaviour)) for behaviour in behaviours]
        places = [f"{host}:{port}" for host, port in served]
        got, result = await compared(places, "--name", "a.test", "-t", "A")
    assert (got, result["classes"]) == (status, {kind: 1} if kind else {})
    blamed = [difference["at_fault"] for difference in result["differences"]]
    if blamed:
        assert blamed == [None if at_fault is None else places[at_fault]]


async def test_names_of_services_a_list_and_a_log(tmp_path: Path) -> None:
    names = tmp_path / "names"
    names.write_text("a.test A\nb.test TXT\n")
    log = tmp_path / "log"
    log.write_text('[INFO] 10.0.0.1:1 - 1 "A IN x.test. udp 28 false 512" NOERROR qr 1 1s\n')
    async with serving(NXDOMAIN) as one, serving(NXDOMAIN) as two:
        places = [f"{host}:{port}" for host, port in (one, two)]
        with_list = await compared(places, "--names", str(names))
        with_log = await compared(places, "--from-log", str(log))
        async with ApiServer(with_second(cluster(workload()))) as server:
            kubeconfig = str(server.kubeconfig(tmp_path / "kubeconfig"))
            options = ("--from-services", "kube-system", "--kubeconfig", kubeconfig)
            with_services = await compared(places, *options)
    found = [result["questions"] for _, result in (with_list, with_log, with_services)]
    # two Services: addresses of two families, three named ports and a reverse name each
    assert found == [2, 1, 12]


UNREADABLE = [
    ("127.0.0.1:1", "--name", "a.test"),
    ("127.0.0.1:1", "::1", "--names", "/does/not/exist"),
    ("127.0.0.1:1", "::1", "--names", "/dev/null"),
]
WRONG = [
    ("127.0.0.1:1", "::1", "--name", "a..test"),
    ("127.0.0.1:1", "::1", "--name", "a.test", "-t", "NONE"),
    ("127.0.0.1:1", "::1"),
    ("127.0.0.1:1", "a.test", "--name", "a.test"),
    ("127.0.0.1:1", "127.0.0.1:0", "--name", "a.test"),
    ("127.0.0.1:1", "::1", "--name", "a.test", "--rate", "0"),
    ("127.0.0.1:1", "::1", "--name", "a.test", "--edns", "70000"),
    ("127.0.0.1:1", "::1", "--name", "a.test", "--timeout", "soon"),
]


@pytest.mark.parametrize(
    ("words", "expected"), [*((words, 2) for words in WRONG), *((words, 4) for words in UNREADABLE)]
)
async def test_what_cannot_begin_ends_with_the_cause(words: Sequence[str], expected: int) -> None:
    status, out, err = await call("compare", *words)
    assert (status, out) == (expected, "")
    assert err.startswith(("minidns compare: ", "usage: minidns compare "))
    assert "Traceback" not in err


async def test_without_an_api_server_the_cause_is_said(tmp_path: Path) -> None:
    missing = str(tmp_path / "none")
    words = ("svc/kube-dns", "svc/kube-dns-2", "--name", "a.test", "--kubeconfig", missing)
    status, out, err = await call("compare", *words)
    assert (status, out, missing in err) == (4, "", True)
