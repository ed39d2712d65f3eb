"""The record of an apply: written before any change, removed after the undo.

It is one file. With it, an apply that was interrupted can be undone or finished.
"""

import base64
import json
from typing import Any, NamedTuple

from minidns.laptop.split_dns.machine import Machine, State, own
from minidns.laptop.split_dns.plan import Command, Plan, Refusal, Wanted

PATH = "/etc/minidns-split-dns.json"
"""Its directory exists on every system."""
_VERSION = 1


class Change(NamedTuple):
    """A file before and after the change."""

    path: str
    before: State
    after: State


class Record(NamedTuple):
    """The changes of an apply, and the commands that undo it."""

    recipe: str
    wanted: Wanted
    changes: tuple[Change, ...] = ()
    folders: tuple[str, ...] = ()
    """Directories that were created, outermost first."""
    undo: tuple[Command, ...] = ()
    is_whole: bool = False
    """True once every step has been done."""

    def covers(self, recipe: str, wanted: Wanted) -> bool:
        """Return whether this is the record of such an apply."""
        return (self.recipe, self.wanted) == (recipe, wanted)

    @property
    def title(self) -> str:
        """The recipe, the zones and the server, for people."""
        zones = " ".join(self.wanted.bare)
        return f"{self.recipe} for {zones} at {self.wanted.shown}"


def of(plan: Plan, machine: Machine) -> Record:
    """Return the record of a plan that is to be applied to the machine as it is."""
    changes = tuple(
        Change(write.path, machine.state(write.path), own(write.text.encode()))
        for write in plan.writes
    )
    folders: dict[str, None] = {}
    for planned in plan.writes:
        folders |= dict.fromkeys(_missing(planned.path, machine))
    return Record(plan.recipe, plan.wanted, changes, tuple(folders), plan.undo)


def _missing(path: str, machine: Machine) -> list[str]:
    """Return the missing parent directories of a file, outermost first."""
    missing: list[str] = []
    folder = path.rpartition("/")[0]
    while folder and not machine.exists(folder):
        missing.insert(0, folder)
        folder = folder.rpartition("/")[0]
    return missing


def read(machine: Machine) -> Record | None:
    """Return the record of the machine; None if nothing is applied.

    Raises:
        Refusal: another version or program wrote it, or it is damaged.
        OSError: it cannot be read.

    """
    state = machine.state(PATH)
    if not state.content and state.kind == "absent":
        return None
    try:
        tree = json.loads(state.content)
        if tree["version"] != _VERSION:
            raise ValueError
        return _record(tree)
    except (KeyError, TypeError, ValueError) as error:
        raise Refusal(
            f"{PATH} is not a record that this version of minidns wrote; it holds what"
            " was there before: restore the files that it names by hand, and remove it"
        ) from error


def write(record: Record, machine: Machine) -> None:
    """Write the record.

    Raises:
        OSError: it cannot be written.

    """
    text = json.dumps(_tree(record), indent=1) + "\n"
    machine.put(PATH, own(text.encode()))


def remove(machine: Machine) -> None:
    """Remove the record, and the remains of an interrupted write."""
    machine.tidy(PATH)
    machine.put(PATH, State())


def _tree(record: Record) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "recipe": record.recipe,
        "zones": record.wanted.zones,
        "server": record.wanted.server,
        "changes": [
            {
                "path": change.path,
                "before": _state_tree(change.before),
                "after": _state_tree(change.after),
            }
            for change in record.changes
        ],
        "folders": record.folders,
        "undo": [command._asdict() for command in record.undo],
        "whole": record.is_whole,
    }


def _state_tree(state: State) -> dict[str, Any]:
    content = base64.b64encode(state.content).decode()
    return {**state._asdict(), "content": content}


def _record(tree: dict[str, Any]) -> Record:
    host, port = tree["server"]
    return Record(
        str(tree["recipe"]),
        Wanted(tuple(map(str, tree["zones"])), (str(host), int(port))),
        tuple(
            Change(str(item["path"]), _state(item["before"]), _state(item["after"]))
            for item in tree["changes"]
        ),
        tuple(map(str, tree["folders"])),
        tuple(
            Command(tuple(map(str, item["argv"])), str(item["why"]), str(item["when"]))
            for item in tree["undo"]
        ),
        bool(tree["whole"]),
    )


def _state(tree: dict[str, Any]) -> State:
    content = base64.b64decode(tree["content"], validate=True)
    user, group = map(int, tree["owner"])
    return State(str(tree["kind"]), content, int(tree["mode"]), (user, group))
