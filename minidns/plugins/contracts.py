"""Typed values by which plugins inform the server and each other.

A plugin fills these in while it is set up; `minidns.plugins.site.Site` holds them.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeAlias

from minidns.dns.model import Name, Query, Response, RRset
from minidns.kubernetes.answers import ClusterZones
from minidns.kubernetes.journal import History

Hook: TypeAlias = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Hooks:
    """Functions that run at the stages of a server block's life, in their order."""

    start: list[Hook] = field(default_factory=list)
    """Run before the DNS sockets open."""
    serving: list[Hook] = field(default_factory=list)
    """Run once the DNS sockets are open, in the main process only."""
    shutdown: list[Hook] = field(default_factory=list)
    """Run when the process ends, while DNS still answers."""
    stop: list[Hook] = field(default_factory=list)
    """Run when the block is no longer used: at the end, or after a reload."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """The files of a ``tls://`` listener, and the demands on clients (*tls*)."""

    certificate: str
    key: str
    ca: str = ""
    """The CA that signs certificates of clients; empty for the system's."""
    client_auth: str = "nocert"
    """``nocert``, ``verify_if_given`` or ``require_and_verify``."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The limits of stream listeners in seconds; None for the default (*timeouts*)."""

    read: float | None = None
    write: float | None = None
    idle: float | None = None
    max_queries: int | None = None
    """Queries that one connection may carry; -1 for any number."""


class ReplySampler(Protocol):
    """Looks at some of the replies that a listener has sent (*shadow*)."""

    def wants_one(self) -> bool:
        """Return whether it takes a reply now; asked once for replies that left."""
        ...

    def take(self, replies: Sequence[bytes]) -> None:
        """Take one of ``replies``, which have left; it must return at once."""
        ...


@dataclass(slots=True)
class ListenSettings:
    """The settings of the listeners of a server block."""

    addresses: tuple[str, ...] = ()
    """Addresses to listen at instead of all (*bind*)."""
    sockets: int = 1
    """Sockets, and processes, that answer at each address (*multisocket*)."""
    certificate: Certificate | None = None
    """The certificate of ``tls://`` listeners (*tls*)."""
    timeouts: Timeouts = field(default_factory=Timeouts)
    """The limits of stream listeners (*timeouts*)."""
    count_shed: Callable[[str], None] | None = None
    """Counts a query that gets no reply, by the listener's label (*shed*)."""
    sampler: ReplySampler | None = None
    """Looks at some of the replies (*shadow*)."""


class ReadinessDetail(NamedTuple):
    """One thing that a plugin must know to be ready."""

    name: str
    is_ready: bool
    state: str
    """The state in one or two words."""
    age_s: float
    """Seconds since it was last known to be current."""


def _no_details() -> Sequence[ReadinessDetail]:
    return ()


@dataclass(frozen=True, slots=True)
class ReadinessCheck:
    """The check by which *ready* learns whether a plugin can answer."""

    is_ready: Callable[[], bool]
    details: Callable[[], Sequence[ReadinessDetail]] = _no_details
    """Returns the parts of its readiness for the verbose page."""
    is_always_checked: bool = False
    """True if the plugin is checked again after it was ready once."""


TransferZone: TypeAlias = Callable[[Name], Sequence[RRset] | None]
"""Returns the records of a zone, SOA first and last; None for another zone."""

Label: TypeAlias = Callable[[Query, Response | None], str]
"""Returns the value of a label for an answered query; empty without any."""

Explainer: TypeAlias = Callable[[Query, Response], Mapping[str, object]]
"""Returns the details of a query and its reply for ``minidns why``."""

PastAnswerer: TypeAlias = Callable[
    [Query, float, float], Awaitable[tuple[Response, Mapping[str, object]]]
]
"""Returns the answer of a plugin at a moment in the past, in Unix seconds, and its
details for ``minidns why`` with the changes of so many seconds before; raises
NotRecorded if it is not known any more."""

SearchList: TypeAlias = Callable[[Query], Sequence[Name]]
"""Returns a client's search list, with an empty name last; empty if unknown."""


@dataclass(slots=True)
class Metadata:
    """Labels of queries, such as ``kubernetes/namespace`` (*metadata*)."""

    zones: tuple[Name, ...] = ()
    """The zones whose queries have labels."""
    labels: dict[str, Label] = field(default_factory=dict)


class Viewer(Protocol):
    """Decides which queries a server block is for (plugin *view*)."""

    @property
    def name(self) -> str:
        """The view's name."""
        ...

    def __call__(self, query: Query) -> bool:
        """Return whether the block answers ``query``."""
        ...


class Guard(Protocol):
    """A plugin that allows or denies queries by their client."""

    def denial(self, query: Query) -> Response | None:
        """Return the reply to a query that is denied; None if it is allowed.

        Raises:
            Dropped: it is denied, and gets no reply.

        """
        ...

    def restricts(self, query: Query) -> bool:
        """Return whether anything is denied to the client of ``query``."""
        ...


@dataclass(slots=True)
class Offers:
    """Services that plugins of a server block provide to its other plugins."""

    transfers: list[TransferZone] = field(default_factory=list)
    """Zones to hand out (*transfer*), in the order of the plugins' names."""
    search_lists: dict[str, SearchList] = field(default_factory=dict)
    """The search lists of clients (*autopath*), by the plugin that knows them."""
    guards: list[Guard] = field(default_factory=list)
    """Plugins that deny queries by their client (*acl*), outermost first."""
    explainers: dict[str, Explainer] = field(default_factory=dict)
    """Functions that add details to the explanation of an answer, by plugin."""
    report_shadow: Callable[[], Mapping[str, object]] | None = None
    """Returns the report of *shadow*, for ``minidns shadow``."""
    history: Callable[[], Awaitable[History]] | None = None
    """Returns the changes of the objects of ``cluster``, as far as they are known."""
    past: PastAnswerer | None = None
    """Answers names of ``cluster`` from its objects of a moment in the past."""
    cluster: ClusterZones | None = None
    """The zones that *kubernetes* answers, once it is set up (*k8s_external*)."""
