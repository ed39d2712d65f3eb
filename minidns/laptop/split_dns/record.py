"""What was there before: written before anything is changed, removed when all is back.

One file, whole in itself: with it, what was partly done can be undone, or be finished.
"""

import base64
import json
from typing import Any, NamedTuple

from minidns.laptop.split_dns.machine import Machine, State, own
from minidns.laptop.split_dns.plan import Command, Plan, Refusal, Wanted

PATH = "/etc/minidns-split-dns.json"
"""In a folder that every system has: nothing has to be made for it."""
_VERSION = 1


class Change(NamedTuple):
    """A file, as it was and as it is to be."""

    path: str
    before: State
    after: State


class Record(NamedTuple):
    """An apply: what it changes, and what takes that back."""

    recipe: str
    wanted: Wanted
    changes: tuple[Change, ...] = ()
    folders: tuple[str, ...] = ()
    """That were not there, outermost first."""
    undo: tuple[Command, ...] = ()
    is_whole: bool = False
    """Whether all of it was done."""

    def covers(self, recipe: str, wanted: Wanted) -> bool:
        """Return whether this is the record of such an apply."""
        return (self.recipe, self.wanted) == (recipe, wanted)

    @property
    def title(self) -> str:
        """What is applied, in few words."""
        zones = " ".join(self.wanted.bare)
        return f"{self.recipe} for {zones} at {self.wanted.shown}"


def of(plan: Plan, machine: Machine) -> Record:
    """Return the record of a plan that is to be applied to the machine as it is."""
    changes = tuple(
        Change(each.path, machine.state(each.path), own(each.text.encode()))
        for each in plan.writes
    )
    folders: dict[str, None] = {}
    for each in plan.writes:
        folders |= dict.fromkeys(_missing(each.path, machine))
    return Record(plan.recipe, plan.wanted, changes, tuple(folders), plan.undo)


def _missing(path: str, machine: Machine) -> list[str]:
    """Return the folders that a file needs and that are not there."""
    missing: list[str] = []
    folder = path.rpartition("/")[0]
    while folder and not machine.exists(folder):
        missing.insert(0, folder)
        folder = folder.rpartition("/")[0]
    return missing


def read(machine: Machine) -> Record | None:
    """Return the record there is, if any.

    Raises:
        Refusal: it is not one of ours, or of another version.
        OSError: it cannot be read.

    """
    state = machine.state(PATH)
    if not state.content and state.kind == "absent":
        return None
    try:
        tree = json.loads(state.content)
        if tree["version"] != _VERSION:
            raise ValueError(f"version {tree['version']}")
        return _record(tree)
    except (KeyError, TypeError, ValueError) as error:
        raise Refusal(
            f"{PATH} cannot be understood ({error!r}): it says what was there before;"
            " look at it, put back by hand what it names, and remove it"
        ) from error


def write(record: Record, machine: Machine) -> None:
    """Write the record.

    Raises:
        OSError: it cannot be written.

    """
    text = json.dumps(_tree(record), indent=1) + "\n"
    machine.put(PATH, own(text.encode()))


def remove(machine: Machine) -> None:
    """Remove the record, and what an interrupted write of it left."""
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
                "path": each.path,
                "before": _state_tree(each.before),
                "after": _state_tree(each.after),
            }
            for each in record.changes
        ],
        "folders": record.folders,
        "undo": [each._asdict() for each in record.undo],
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
            Change(str(each["path"]), _state(each["before"]), _state(each["after"]))
            for each in tree["changes"]
        ),
        tuple(map(str, tree["folders"])),
        tuple(
            Command(tuple(map(str, each["argv"])), str(each["why"]), str(each["when"]))
            for each in tree["undo"]
        ),
        bool(tree["whole"]),
    )


def _state(tree: dict[str, Any]) -> State:
    content = base64.b64decode(tree["content"], validate=True)
    user, group = map(int, tree["owner"])
    return State(str(tree["kind"]), content, int(tree["mode"]), (user, group))
