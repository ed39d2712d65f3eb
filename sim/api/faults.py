"""Faults of an API server and of the path to it.

A `Rule` applies to requests, `Faults` holds the rules and the lasting faults of
watches, an `Action` is carried out once. All are also JSON: POST /sim/faults replaces
all faults, POST /sim/actions carries out one action.
"""

from typing import Literal

import msgspec

from .requests import Request

ANY = "*"


class Rule(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A fault of the requests for ``resource`` with ``verb``.

    Without another effect the response is normal and comes after ``delay_s``.
    """

    resource: str = ANY
    """The plural, such as services."""
    verb: str = ANY
    """One of get, list, watch, create, update, patch, delete, deletecollection."""
    namespace: str = ANY
    """An empty text selects requests for all namespaces."""
    paged: bool = False
    """Whether only requests for a page after the first are affected."""
    times: int = 0
    """Number of requests that are affected; 0 means all."""

    delay_s: float = 0
    """Seconds before the first byte of the response."""
    freeze: bool = False
    """Whether the connection stays open without a response."""
    reset: bool = False
    """Whether the connection is reset instead of a response."""
    status: int = 0
    """Status code of a failure response with a Status object; 0 means none."""
    reason: str | None = None
    """The reason in the Status; None means the usual one."""
    message: str = ""
    """The message in the Status; an empty text means the usual one."""
    retry_after: int = 0
    """Seconds of Retry-After, in the header and in the Status."""
    body: str | None = None
    """Response body that replaces the normal one."""
    location: str = ""
    """The Location header of a redirect."""
    content_type: str = ""
    """The Content-Type header, if not the real one."""
    cut_at: int | None = None
    """Bytes of the body after which the connection is closed."""
    bytes_per_s: int = 0
    """Maximum rate of the body; 0 means no limit."""
    lines: list[str] = []
    """Raw lines at the start of a watch."""
    ends: bool = False
    """Whether the watch ends after ``lines``."""

    def applies_to(self, request: Request) -> bool:
        """Return whether the rule affects ``request``."""
        return (
            self.resource in (ANY, request.resource)
            and self.verb in (ANY, request.verb)
            and self.namespace in (ANY, request.namespace)
            and (not self.paged or "continue" in request.query)
        )


NO_RULE = Rule()


class Faults(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The active faults of a server; a new object has none."""

    rules: list[Rule] = []
    """The first rule that applies to a request takes effect."""
    bookmark_s: float = 60
    """Seconds between bookmarks; 0 means none, not even at the end of a watch."""
    watch_max_s: float = 0
    """Maximum seconds of a watch; 0 means that only the request limits it."""
    refuse_watch_list: int = 0
    """Status that refuses streaming lists; 500 comes as an ERROR event."""
    withhold_initial_end: bool = False
    """Whether the bookmark at the end of a streaming list is withheld."""
    expire_continue: bool = False
    """Whether every continue token counts as expired."""
    only_token: str = ""
    """The only accepted bearer token; an empty text means no restriction."""
    stale_at: int = 0
    """resourceVersion of a stale view that the server shows; 0 means none."""

    def take(self, request: Request) -> Rule:
        """Return the rule that applies to ``request`` and count its use."""
        for rule in self.rules:
            if rule.applies_to(request):
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
    """An operation on the open watches of ``resource`` or on the server.

    - close: end the watches as a time-out does
    - reset: reset their connections
    - freeze, thaw: stop sending, also the end of the watch; continue
    - cut: send half of the next event, then close the connection
    - send: send ``lines`` as they are
    - replay: send the last ``count`` events again
    - shuffle: send the last ``count`` events again, newest first
    - error: send an ERROR event with ``status``, then end
    - compact: drop the change log
    - snapshot, restore: save the state; return to it and close the watches
    - down, kill, up: stop cleanly; stop with resets; listen again
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
    """Seconds from down or kill to the automatic up; 0 means no automatic up."""
