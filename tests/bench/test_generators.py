"""The load generators against servers that answer right, wrong, late or not at all."""

import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bench import servers, workloads
from bench.workloads import Ask

pytestmark = pytest.mark.slow  # processes that send for 0.3 s each

NAME = workloads.query("www.example.org")
Answer = Callable[[int, bytes], bytes | None]
"""Maps the number and the bytes of a query to the reply, or None for no reply."""


def reply(wire: bytes, *, rcode: int = 0, answers: int = 1) -> bytes:
    return wire[:2] + bytes((0x81, 0x80 | rcode, 0, 1, 0, answers)) + wire[8:]


@contextmanager
def server(answer: Answer) -> Iterator[int]:
    """Give the port of a server that replies with ``answer``."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        over = threading.Event()

        def serve() -> None:
            number = 0
            while True:
                wire, peer = sock.recvfrom(4096)
                if over.is_set():
                    return
                if (reply_wire := answer(number, wire)) is not None:
                    sock.sendto(reply_wire, peer)
                number += 1

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield sock.getsockname()[1]
        finally:
            over.set()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", sock.getsockname())
            thread.join()


@pytest.fixture
def generator() -> list[str]:
    """Give the command of the generator."""
    binary = servers.compiled("load")
    if binary is None:
        pytest.skip("no C compiler")
    return [str(binary)]


def run(generator: list[str], answer: Answer, folder: Path, *words: str, asks: list[Ask]) -> dict[str, Any]:
    path = folder / "queries"
    workloads.write(asks, path)
    with server(answer) as port:
        output = subprocess.run(
            [*generator, str(port), str(path), "0.3", *words], check=True, capture_output=True, timeout=30
        ).stdout
    results: dict[str, Any] = json.loads(output)
    assert results["sent"] == results["answered"] + results["lost"]
    return results


def test_right_answers_are_counted(generator: list[str], tmp_path: Path) -> None:
    results = run(generator, lambda _, wire: reply(wire), tmp_path, asks=[Ask(NAME), Ask(NAME)])
    assert results["answered"] > 0
    assert results["wrong"] == 0
    assert results["rcodes"] == {"0": results["answered"]}
    assert 0 < results["p50_us"] <= results["p99_us"] <= results["max_us"] + 5


WRONG: dict[str, Answer] = {
    "another-rcode": lambda _, wire: reply(wire, rcode=2, answers=0),
    "no-answers": lambda _, wire: reply(wire, answers=0),
    "the-query-itself": lambda _, wire: wire,
}


@pytest.mark.parametrize("answer", WRONG.values(), ids=WRONG)
def test_wrong_answers_are_seen(generator: list[str], tmp_path: Path, answer: Answer) -> None:
    results = run(generator, answer, tmp_path, asks=[Ask(NAME), Ask(NAME)])
    assert results["wrong"] == results["answered"] > 0
    assert run(generator, answer, tmp_path, "any", asks=[Ask(NAME)] * 2)["wrong"] == 0


def test_lost_queries_are_counted_and_do_not_end_it(generator: list[str], tmp_path: Path) -> None:
    results = run(
        generator, lambda number, wire: reply(wire) if number % 10 else None, tmp_path, asks=[Ask(NAME), Ask(NAME)]
    )
    assert results["lost"] >= results["sent"] // 10 > 0
    assert results["wrong"] == 0


def test_a_rate_is_kept(generator: list[str], tmp_path: Path) -> None:
    results = run(generator, lambda _, wire: reply(wire), tmp_path, *("rate", "1000"), asks=[Ask(NAME), Ask(NAME)])
    assert 10 < results["sent"] <= 301  # 0.3 seconds, on a machine that may be busy


def test_counted_names_are_never_the_same(generator: list[str], tmp_path: Path) -> None:
    seen: list[bytes] = []

    def answer(_: int, wire: bytes) -> bytes:
        seen.append(wire[2:])
        return reply(wire)

    ask = Ask(workloads.query(f"x{workloads.COUNTER}.example.org"))
    run(generator, answer, tmp_path, "first", "4096", asks=[ask])
    assert len(set(seen)) == len(seen) > 1
    assert seen[0] == ask.wire.replace(workloads.COUNTER.encode(), b"00001000")
