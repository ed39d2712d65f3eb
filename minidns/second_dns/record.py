"""What an enrolment leaves on the object it changed, so that anybody can undo it. Pure.

One annotation, in JSON: which DNS, until when, and every field with what it was before
and what it was made. It is written together with the fields it tells of, in one write:
there is no moment at which one is there without the other.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from minidns.kubernetes.documents import Json
from minidns.second_dns.changes import Change, with_value
from minidns.second_dns.refusal import Refusal

ANNOTATION = "minidns/enrolment"
PATH = ("metadata", "annotations", ANNOTATION)
LABEL = "minidns/dns"
"""Label of a twin and of its pods, by which the twin's selector tells them apart."""


class Record(NamedTuple):
    """An enrolment, as far as it has come."""

    dns: str
    """ClusterIP of the Service that the pods ask."""
    service: str
    """That Service, as namespace/name."""
    id: str = ""
    """Tells it from one that somebody else made of the same."""
    until: str = ""
    """When it is over (RFC 3339, UTC); empty: when somebody ends it."""
    changes: tuple[Change, ...] = ()
    """Of the object that carries the record."""
    twin: str = ""
    """Name of the Deployment that has the enrolled pods."""
    of: str = ""
    """On that Deployment: the one it is the twin of."""

    def is_over(self, now: float) -> bool:
        """Return whether its time has run out at ``now``, seconds since the epoch."""
        return bool(self.until) and seconds(self.until) <= now

    def text(self) -> str:
        """Return it as the annotation has it."""
        said = self._asdict()
        said["changes"] = [
            {"path": "/" + "/".join(c.path), "before": c.before, "after": c.after}
            for c in self.changes
        ]
        return json.dumps({k: v for k, v in said.items() if v})


def of(obj: Json) -> Record | None:
    """Return the record that ``obj`` carries.

    Raises:
        Refusal: it carries one that cannot be read.

    """
    meta = obj.get("metadata") or {}
    text = (meta.get("annotations") or {}).get(ANNOTATION)
    if text is None:
        return None
    try:
        return _read(json.loads(text))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        where = (
            f"{obj.get('kind', 'object')} {meta.get('namespace')}/{meta.get('name')}"
        )
        raise Refusal(
            f"{where}: the annotation {ANNOTATION} cannot be read ({error}); "
            "it has been edited, so nothing is undone by it"
        ) from error


def recorded(obj: Json, record: Record | None) -> Json:
    """Return ``obj`` with this record, or with none."""
    return with_value(obj, PATH, record.text() if record else None)


def _read(said: Mapping[str, Any]) -> Record:
    changes = tuple(
        Change(tuple(c["path"].strip("/").split("/")), c["before"], c["after"])
        for c in said.get("changes") or ()
    )
    names = ("dns", "service", "id", "until", "twin", "of")
    texts = {name: said[name] for name in names if name in said}
    if not all(isinstance(text, str) for text in texts.values()):
        raise ValueError("a field is no text")
    if any(change.path[0] != "spec" for change in changes):
        raise ValueError("a change is of something else than the spec")
    record = Record(**texts, changes=changes)
    record.is_over(0.0)  # a time that is none shows now
    return record


def timestamp(at: float) -> str:
    """Return a time in seconds since the epoch as objects have it.

    >>> timestamp(0)
    '1970-01-01T00:00:00Z'
    """
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(text: str) -> float:
    """Return the seconds since the epoch of a time as objects have it.

    Raises:
        ValueError: it is none.

    """
    return datetime.fromisoformat(text).timestamp()
