"""The state file, through which commands find the running simulation."""

import json
import os
import socket
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..api import private_files

FILE = "state.json"
EXEC = "/exec"
FAULTS = "/faults"
TIMEOUT_S = 120.0
"""Time-out of a command in a pod; an unanswered lookup can take a minute."""
CONNECT_S = 2.0


class State(NamedTuple):
    """The control endpoint of a running simulation."""

    pid: int
    url: str
    """URL of the control endpoint, on loopback."""
    token: str
    """Bearer token; only the user can read the state file."""


class NotUp(Exception):
    """There is no running simulation; the message names the folder."""


def default_folder() -> Path:
    """Return the folder of the user's simulation, below XDG_STATE_HOME."""
    home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(home).expanduser() / "minidns-sim"


def write(folder: Path, state: State) -> None:
    """Write the state file; only the user can read it."""
    private_files.write(folder / FILE, json.dumps(state._asdict()))


def remove(folder: Path) -> None:
    """Remove the state file."""
    (folder / FILE).unlink(missing_ok=True)


def read(folder: Path) -> State:
    """Return the content of the state file.

    Raises:
        NotUp: there is no file, or no process listens at its URL.

    """
    try:
        state = State(**json.loads(private_files.read(folder / FILE)))
        where = urllib.parse.urlsplit(state.url)
        there = (where.hostname or "", where.port or 0)
        socket.create_connection(there, CONNECT_S).close()
    except (OSError, ValueError, TypeError):
        raise NotUp(
            f"no simulated cluster is up in {folder}; minidns-sim up starts one"
        ) from None
    return state


def execute(state: State, pod: str, command: list[str]) -> dict[str, Any]:
    """Run ``command`` in ``pod`` of the simulation; return its result.

    Raises:
        NotUp: the simulation does not answer.
        LookupError: there is no such pod.

    """
    return _request(state, "POST", EXEC, {"pod": pod, "command": command})


def add_fault(state: State, words: Sequence[str]) -> None:
    """Add a fault to the simulation.

    Raises:
        NotUp: the simulation does not answer.
        LookupError: a word is wrong; the message names it and the usage.

    """
    _request(state, "POST", FAULTS, {"words": list(words)})


def clear_faults(state: State, words: Sequence[str] = ()) -> None:
    """Remove the fault with these words from the simulation, or all faults.

    Raises:
        NotUp: the simulation does not answer.
        LookupError: there is no such fault.

    """
    _request(state, "DELETE", FAULTS, {"words": list(words)})


def list_faults(state: State) -> list[dict[str, Any]]:
    """Return the faults of the simulation: their words and numbers of hits.

    Raises:
        NotUp: the simulation does not answer.

    """
    return list(_request(state, "GET", FAULTS)["faults"])


def _request(
    state: State, method: str, path: str, document: dict[str, Any] | None = None
) -> dict[str, Any]:
    headers = {
        "Authorization": f"Bearer {state.token}",
        "Content-Type": "application/json",
    }
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(state.url + path, body, headers, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=TIMEOUT_S) as response:
            reply: dict[str, Any] = json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            raise LookupError(error.read().decode(errors="replace")) from None
    except OSError as error:
        raise NotUp(f"nobody answers at {state.url}: {error}") from None
    return reply
