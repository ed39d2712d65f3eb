import os
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from sim.cluster import state
from sim.cluster.state import NotUp, State


class Handler(BaseHTTPRequestHandler):
    """Answers as the exec endpoint does, or refuses."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        ok = self.headers["Authorization"] == "Bearer secret"
        self.send_response(200 if ok else 403)
        self.end_headers()
        self.wfile.write(body if ok else b"not the token")

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_default_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/x/state")
    assert state.default_folder() == Path("/x/state/minidns-sim")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/a")
    assert state.default_folder() == Path("/home/a/.local/state/minidns-sim")


def test_written_is_read_by_the_user_alone(url: str, tmp_path: Path) -> None:
    written = State(4711, url, "secret")
    state.write(tmp_path, written)
    assert state.read(tmp_path) == written
    assert (tmp_path / state.FILE).stat().st_mode & 0o777 == 0o600
    state.remove(tmp_path)
    assert os.listdir(tmp_path) == []
    state.remove(tmp_path)


def unused_url() -> str:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{sock.getsockname()[1]}"


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"pid": 1, "url": "x"}'])
def test_file_that_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / state.FILE).write_text(text)
    with pytest.raises(NotUp, match="minidns-sim up"):
        state.read(tmp_path)


def test_left_behind_by_one_that_has_gone(tmp_path: Path) -> None:
    state.write(tmp_path, State(1, unused_url(), "secret"))
    with pytest.raises(NotUp, match="no simulated cluster is up"):
        state.read(tmp_path)


def test_command_is_asked_for(url: str) -> None:
    reply = state.execute(State(1, url, "secret"), "app", ["dig", "a"])
    assert reply == {"pod": "app", "command": ["dig", "a"]}


def test_refusal_is_told(url: str) -> None:
    with pytest.raises(LookupError, match="not the token"):
        state.execute(State(1, url, "wrong"), "app", ["dig", "a"])


def test_nobody_there() -> None:
    with pytest.raises(NotUp, match="nobody answers"):
        state.execute(State(1, unused_url(), "x"), "app", ["dig", "a"])
