"""Faults: everything an API server, or the way to it, can do wrong, as switches.

A `Rule` meets requests, a `Faults` holds the rules and the standing oddities of
watches, an `Action` happens once, now. All three are also JSON: POST /sim/faults
replaces the whole, POST /sim/actions does one thing.
"""

from typing import Literal

import msgspec

from .requests import Request

ANY = "*"


class Rule(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What becomes of requests that are about ``resource`` and ``verb``.

    Without an effect of its own the request is answered as usual, after ``delay_s``.
    """

    resource: str = ANY
    """The plural, such as services."""
    verb: str = ANY
    """One of get, list, watch, create, update, patch, delete, deletecollection."""
    namespace: str = ANY
    """Empty: requests for all namespaces."""
    paged: bool = False
    """Only requests for a page after the first."""
    times: int = 0
    """How many requests it meets; 0: all."""

    delay_s: float = 0
    """Wait so long before the first byte."""
    freeze: bool = False
    """Never answer, and keep the connection."""
    reset: bool = False
    """Reset the connection instead of answering."""
    status: int = 0
    """Answer with this status code and a Status object."""
    reason: str | None = None
    """The reason in the Status; None: the usual one, empty: none."""
    message: str = ""
    """The message in the Status; empty: the usual one."""
    retry_after: int = 0
    """Seconds, sent as the header and in the Status."""
    body: str | None = None
    """Send this text instead, with 200 if there is no other status."""
    location: str = ""
    """Where a status 3xx sends the client."""
    content_type: str = ""
    """Say that the body is of this type."""
    cut_at: int | None = None
    """Break the connection off after so many bytes of the body."""
    bytes_per_s: int = 0
    """Send the body this slowly."""
    lines: list[str] = []
    """Begin a watch with these lines, whatever they are."""
    ends: bool = False
    """End a watch after ``lines``."""

    def meets(self, request: Request) -> bool:
        """Return whether the rule is about ``request``."""
        return (
            self.resource in (ANY, request.resource)
            and self.verb in (ANY, request.verb)
            and self.namespace in (ANY, request.namespace)
            and (not self.paged or "continue" in request.query)
        )


NO_RULE = Rule()


class Faults(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The switchboard; as it is made, nothing is wrong."""

    rules: list[Rule] = []
    """The first that meets a request counts."""
    bookmark_s: float = 60
    """How often watches that allow it get a bookmark; 0: never, not even at the end."""
    watch_max_s: float = 0
    """End every watch after so long; 0: only when it asked for that."""
    refuse_watch_list: int = 0
    """Refuse streaming lists: 400, 422 or another status; 500 as an ERROR event."""
    withhold_initial_end: bool = False
    """Never send the bookmark that ends a streaming list."""
    expire_continue: bool = False
    """Treat every continue token as expired."""
    only_token: str = ""
    """401 for every other token."""
    stale_at: int = 0
    """Show everything as it was at this version: an API server that is behind."""

    def take(self, request: Request) -> Rule:
        """Return the rule for ``request``, and count that it met one more."""
        for rule in self.rules:
            if rule.meets(request):
                if rule.times:
                    rule.times -= 1
                    if not rule.times:
                        self.rules.remove(rule)
                return rule
        return NO_RULE

    def replace(self, new: "Faults") -> None:
        """Take over every field of ``new``: open watches hold this object."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(new, name))

    def clear(self) -> None:
        """Remove every fault."""
        self.replace(Faults())


class Action(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One thing to do now, to the open watches of ``resource`` or to the server.

    - close: end the watches as a time-out does
    - reset: reset their connections
    - freeze, thaw: send nothing more, not even an end; go on
    - cut: send half of the next event, then break off
    - send: send ``lines`` as they are
    - replay: send the last ``count`` events again
    - shuffle: send the last ``count`` events again, newest first
    - error: send an ERROR event with ``status``, then end
    - compact: forget the history
    - snapshot, restore: remember everything; go back to it, watches closed
    - down, kill, up: stop with clean ends, or with resets; listen again
    """

    do: Literal[
        "close",
        "reset",
        "freeze",
        "thaw",
        "cut",
        "send",
        "replay",
        "shuffle",
        "error",
        "compact",
        "snapshot",
        "restore",
        "down",
        "kill",
        "up",
    ]
    resource: str = ANY
    lines: list[str] = []
    count: int = 100
    status: int = 410
    reason: str | None = None
    message: str = ""
    for_s: float = 0
    """After down or kill: listen again after so long; 0: when told."""
