"""The trace of a run: every message, change and log line, with its virtual time.

Two runs of one scenario with one seed have the same trace, shown by its hash. The trace
has no value of this process: no address of memory, process id or real time.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from ..api.objects import key_of
from ..api.store import Change


@dataclass(slots=True)
class Trace:
    """Hashes events as they occur."""

    now: Callable[[], float]
    events: int = 0
    _hash: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def add(self, what: str, *details: object) -> None:
        """Add an event at the current time."""
        self.events += 1
        parts = (f"{self.now():.6f}", what, *map(str, details))
        self._hash.update("\x1f".join(parts).encode() + b"\x1e")

    def message(self, what: str, flow: object, wire: bytes, path: object) -> None:
        """Add what happens to a query or reply."""
        self.events += 1
        text = f"{self.now():.6f}\x1f{what}\x1f{flow}\x1f{wire.hex()}\x1e"
        self._hash.update(text.encode())

    def change(self, change: Change) -> None:
        """Add a change of an object."""
        self.add(change.type, change.kind.name, *key_of(change.obj), change.version)

    @property
    def hash(self) -> str:
        """The hash of all events so far, in hexadecimal digits."""
        return self._hash.hexdigest()
