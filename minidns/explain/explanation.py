"""Why an answer is what it is, as a value: for people as lines, for programs as JSON.

Fields of the JSON form, stable: ``cause`` (an id from a fixed set), ``because`` (one
sentence), ``near`` (what was probably meant, or is nearly there; sentences), ``rule``,
``zone``, ``objects`` (``kind``, ``name``, ``uid``, ``resourceVersion``, ``found``,
``age_s``: seconds since it was created, null when not known), ``synced``, ``kinds``
(``kind``, ``namespace``, ``synced``, ``silent_s``: seconds since it was last heard of,
null for never, ``error``) and ``text`` (all of that in lines).
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple


class Cause(NamedTuple):
    """What an answer comes from."""

    id: str
    because: str
    near: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cited:
    """An object that the answer follows from, or that is not there."""

    kind: str
    name: str
    uid: str
    resourceVersion: str  # the name it has in Kubernetes
    found: bool
    age_s: int | None

    def __str__(self) -> str:
        """Return it as people read it."""
        if not self.found:
            return f"no {self.kind} {self.name}"
        known = [f"resourceVersion {self.resourceVersion}"] * bool(self.resourceVersion)
        known += [f"created {span(self.age_s)} ago"] if self.age_s is not None else []
        return f"{self.kind} {self.name}" + (f" ({', '.join(known)})" if known else "")


@dataclass(frozen=True, slots=True)
class Followed:
    """How well one kind of objects is known."""

    kind: str
    namespace: str
    """Empty for all of them."""
    synced: bool
    silent_s: float | None
    error: str

    def __str__(self) -> str:
        """Return it as people read it."""
        where = f" in {self.namespace}" if self.namespace else ""
        state = "listed" if self.synced else "not listed yet"
        heard = "never" if self.silent_s is None else f"{span(self.silent_s)} ago"
        error = f"; last error: {self.error}" if self.error else ""
        return f"{self.kind}{where}: {state}, last heard of {heard}{error}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything there is to say about an answer."""

    cause: Cause
    rule: str
    zone: str
    objects: Sequence[Cited]
    synced: bool
    kinds: Sequence[Followed]

    def lines(self) -> Iterator[str]:
        """Yield it for people; safe to show."""
        yield f"because: {self.cause.because}"
        for near in self.cause.near:
            yield f"  perhaps: {near}"
        for each in self.objects:
            yield f"  from {each}"
        yield "synced" if self.synced else "not synced yet"
        for kind in self.kinds:
            yield f"  {kind}"

    def without_hints(self) -> "Explanation":
        """Return it without the names of other objects."""
        return replace(self, cause=self.cause._replace(near=()))

    def tree(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            "cause": self.cause.id,
            "because": self.cause.because,
            "near": list(self.cause.near),
            "rule": self.rule,
            "zone": self.zone,
            "objects": [asdict(each) for each in self.objects],
            "synced": self.synced,
            "kinds": [asdict(each) for each in self.kinds],
            "text": [plain(line) for line in self.lines()],
        }


def span(seconds: float) -> str:
    """Return a time as people say it.

    >>> span(7), span(200), span(90000)
    ('7s', '3m', '25h')
    """
    if seconds < 120:
        return f"{seconds:.0f}s"
    return f"{seconds / 60:.0f}m" if seconds < 7200 else f"{seconds / 3600:.0f}h"


def plain(text: str) -> str:
    r"""Return ``text`` with what does not print as an escape.

    >>> plain("a\x1bb")
    'a\\x1bb'
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
