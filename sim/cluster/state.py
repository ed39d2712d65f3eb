"""Where a running simulation is found: one small file in a folder of the user's own."""

import json
import os
import socket
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

from ..api import private_files

FILE = "state.json"
PATH = "/exec"
TIMEOUT_S = 120.0
"""For a command in a pod; a look-up that nobody answers takes its time."""
CONNECT_S = 2.0


class State(NamedTuple):
    """What somebody needs who wants to run a command in a pod."""

    pid: int
    url: str
    """Of the exec endpoint, on loopback."""
    token: str
    """To be shown there; only the user can read this file."""


class NotUp(Exception):
    """There is no running simulation to be found; says where it was looked for."""


def default_folder() -> Path:
    """Return where the files of the user's simulation are (XDG_STATE_HOME)."""
    home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(home).expanduser() / "minidns-sim"


def write(folder: Path, state: State) -> None:
    """Write the file, readable by the user alone."""
    private_files.write(folder / FILE, json.dumps(state._asdict()))


def remove(folder: Path) -> None:
    """Remove the file."""
    (folder / FILE).unlink(missing_ok=True)


def read(folder: Path) -> State:
    """Return what the file says.

    Raises:
        NotUp: there is none, or whoever wrote it has gone without removing it.

    """
    try:
        state = State(**json.loads(private_files.read(folder / FILE)))
        where = urllib.parse.urlsplit(state.url)
        there = (where.hostname or "", where.port or 0)
        socket.create_connection(there, CONNECT_S).close()
    except (OSError, ValueError, TypeError):
        raise NotUp(
            f"no simulated cluster is up in {folder} (start one: minidns-sim up)"
        ) from None
    return state


def ask(state: State, pod: str, command: list[str]) -> dict[str, Any]:
    """Run ``command`` in ``pod`` of the simulation; return its reply.

    Raises:
        NotUp: nobody answers there.
        LookupError: there is no such pod.

    """
    body = json.dumps({"pod": pod, "command": command}).encode()
    headers = {
        "Authorization": f"Bearer {state.token}",
        "Content-Type": "application/json",
    }
    request = urllib.request.Request(state.url + PATH, body, headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=TIMEOUT_S) as got:
            reply: dict[str, Any] = json.load(got)
    except urllib.error.HTTPError as error:
        with error:
            raise LookupError(error.read().decode(errors="replace")) from None
    except OSError as error:
        raise NotUp(f"nobody answers at {state.url}: {error}") from None
    return reply
