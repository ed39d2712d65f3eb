"""The explanation of an answer as a value: lines for people, JSON for programs.

Stable fields of the JSON form: ``cause`` (an id from a fixed set), ``because`` (one
sentence), ``near`` (sentences about names and objects that are close), ``rule``,
``zone``, ``objects`` (``kind``, ``name``, ``uid``, ``resourceVersion``, ``found``,
``age_s``: seconds since it was created, null if unknown), ``synced``, ``kinds``
(``kind``, ``namespace``, ``synced``, ``silent_s``: seconds since the last sign of
life, null for never, ``error``) and ``text`` (the same in lines).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

from minidns.text.foreign import escaped


class Cause(NamedTuple):
    """The cause of an answer: its id, a sentence, and hints."""

    id: str
    because: str
    near: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CitedObject:
    """An object that the answer follows from, or that does not exist."""

    kind: str
    name: str
    uid: str
    resourceVersion: str  # the name it has in Kubernetes
    found: bool
    age_s: int | None

    def __str__(self) -> str:
        """Return one line for people."""
        if not self.found:
            return f"no {self.kind} {self.name}"
        known = [f"resourceVersion {self.resourceVersion}"] * bool(self.resourceVersion)
        known += [f"created {span(self.age_s)} ago"] if self.age_s is not None else []
        return f"{self.kind} {self.name}" + (f" ({', '.join(known)})" if known else "")


@dataclass(frozen=True, slots=True)
class WatchedKind:
    """The state of the watch of one kind of objects."""

    kind: str
    namespace: str
    """Empty for all namespaces."""
    synced: bool
    silent_s: float | None
    error: str

    def __str__(self) -> str:
        """Return one line for people."""
        where = f" in {self.namespace}" if self.namespace else ""
        state = "listed" if self.synced else "not listed yet"
        last = "never" if self.silent_s is None else f"{span(self.silent_s)} ago"
        error = f"; last error: {self.error}" if self.error else ""
        return f"{self.kind}{where}: {state}, last heard of {last}{error}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """The explanation of an answer."""

    cause: Cause
    rule: str
    zone: str
    objects: Sequence[CitedObject]
    synced: bool
    kinds: Sequence[WatchedKind]

    def lines(self) -> Iterator[str]:
        """Yield lines for people; they may hold control characters."""
        yield f"because: {self.cause.because}"
        for near in self.cause.near:
            yield f"  perhaps: {near}"
        for obj in self.objects:
            yield f"  {'from ' if obj.found else ''}{obj}"
        yield "synced" if self.synced else "not synced yet"
        for kind in self.kinds:
            yield f"  {kind}"

    def without_hints(self) -> "Explanation":
        """Return the explanation without hints, which name other objects."""
        return replace(self, cause=self.cause._replace(near=()))

    def tree(self, more: Iterable[str] = ()) -> dict[str, object]:
        """Return the JSON form; ``more`` are lines at the end of its text."""
        return {
            "cause": self.cause.id,
            "because": self.cause.because,
            "near": list(self.cause.near),
            "rule": self.rule,
            "zone": self.zone,
            "objects": [asdict(obj) for obj in self.objects],
            "synced": self.synced,
            "kinds": [asdict(kind) for kind in self.kinds],
            "text": [escaped(line) for line in (*self.lines(), *more)],
        }


def span(seconds: float) -> str:
    """Return a duration in seconds, minutes or hours.

    >>> span(7), span(200), span(90000)
    ('7s', '3m', '25h')
    """
    if seconds < 120:
        return f"{seconds:.0f}s"
    return f"{seconds / 60:.0f}m" if seconds < 7200 else f"{seconds / 3600:.0f}h"
