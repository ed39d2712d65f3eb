"""The output of ``minidns why`` for an explanation of a server."""

import json
import socket
from threading import Thread
from typing import Any

import pytest

from minidns.commands.why import lines, main


def report(**changes: Any) -> dict[str, Any]:
    answer = {
        "name": "web.prod.svc.cluster.local.",
        "type": "A",
        "rcode": "NXDOMAIN",
        "answer": [],
        "authority": ["cluster.local. 30 SOA ns. h. 1 2 3 4 5"],
        "additional": [],
        "rule": "negative/no-such-service",
        "sources": [
            {"kind": "Namespace", "name": "prod", "uid": "u", "resourceVersion": "7", "found": True},
            {"kind": "Service", "name": "prod/web", "uid": "", "resourceVersion": "", "found": False},
            {"kind": "cache", "name": "3s", "uid": "", "resourceVersion": "", "found": True},
        ],
        "details": {},
        "server": {"pid": 7, "address": "127.0.0.1:8053"},
    }
    return {**answer, **changes}


def test_answer_rule_and_sources() -> None:
    assert list(lines(report())) == [
        "web.prod.svc.cluster.local. A: NXDOMAIN",
        "  authority  cluster.local. 30 SOA ns. h. 1 2 3 4 5",
        "rule: negative/no-such-service",
        "  Namespace prod (resourceVersion 7, uid u)",
        "  no Service prod/web",
        "  cache 3s",
        "answered by pid 7 at 127.0.0.1:8053",
    ]


def test_an_object_that_a_plugin_tells_of_is_not_told_twice() -> None:
    objects = [{"kind": "Namespace", "name": "prod"}, {"kind": "Service", "name": "prod/web"}]
    details = {
        "kubernetes": {
            "cluster": "https://10.96.0.1:443",
            "text": ["because: there is no such Service"],
            "objects": objects,
        }
    }
    assert list(lines(report(details=details)))[3:] == [
        "  cache 3s",
        "because: there is no such Service",
        "answered by pid 7 at 127.0.0.1:8053, cluster https://10.96.0.1:443",
    ]


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\n\r\nhello",  # not JSON
        b"HTTP/1.1 200 OK\r\n\r\n[]",
        b'HTTP/1.1 200 OK\r\n\r\n{"name": "web"}',
        b"HTTP/1.1 404 Not Found\r\n\r\n[]",
        b"SSH-2.0-OpenSSH_9.7\r\n",
        b"",
    ],
)
def test_a_server_that_is_not_minidns(reply: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = f"http://127.0.0.1:{listener.getsockname()[1]}"

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(reply)

        thread = Thread(target=serve)
        thread.start()
        assert main(["web", "--server", server]) == 4
        thread.join()
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert server in err


def test_what_other_plugins_tell_is_shown_as_it_is() -> None:
    details = {"forward": {"upstreams": [{"to": "192.0.2.1:53", "down": False}]}, "cache": {}}
    assert list(lines(report(details=details)))[-2] == "forward upstreams: to: 192.0.2.1:53, down: no"


@pytest.mark.parametrize(
    ("rcode", "answer", "status"),
    [
        ("NOERROR", ["web. 30 A 192.0.2.1"], 0),
        ("NOERROR", [], 3),
        ("NXDOMAIN", [], 3),
        ("NXDOMAIN", ["web. 30 CNAME nowhere."], 3),
        ("SERVFAIL", [], 4),
        ("REFUSED", [], 4),
    ],
)
def test_the_exit_status_tells_the_kind_of_answer(
    rcode: str, answer: list[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    body = json.dumps(report(rcode=rcode, answer=answer)).encode()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + body)

        thread = Thread(target=serve)
        thread.start()
        assert main(["web", f"@127.0.0.1:{listener.getsockname()[1]}"]) == status
        thread.join()
    assert rcode in capsys.readouterr().out
