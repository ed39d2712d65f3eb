"""What the page shows walks of: a simulated cluster or a real one."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias

from minidns.walk.steps import Walk


class Wrong(ValueError):
    """A request names something that there is not; the text lists what there is."""


class Asked(NamedTuple):
    """A lookup as the form of the page describes it."""

    pod: str = ""
    """Namespace and name with a slash."""
    name: str = ""
    resolver: str = ""
    """The name of a stub resolver; empty for that of the pod's programs."""
    type: str = ""
    """Record types with spaces between them; empty for A and AAAA."""


class Option(NamedTuple):
    """A choice of a list: its value, and words beside it."""

    value: str
    words: str = ""


class Experiment(NamedTuple):
    """Something to try: a lookup, perhaps with faults, and what to watch."""

    id: str
    title: str
    watch: str
    asked: Asked
    setup: tuple[str, ...] = ()
    """Lines of words that are carried out in a fresh cluster."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What can be chosen in the page."""

    cluster: str
    """What the cluster is, in a few words."""
    pods: Sequence[Option]
    resolvers: Sequence[Option]
    names: Sequence[str]
    """Names to suggest."""
    switches: Sequence[Option] = ()
    """Faults to switch on, with what they do."""
    experiments: Sequence[Experiment] = ()
    lessons: Mapping[str, Sequence[Option]] = field(default_factory=dict)
    """What the action ``lesson`` takes, with titles, by the name of the language."""
    causes: Sequence[Option] = ()
    """Causes of failures that a trial can look for."""

    @property
    def is_read_only(self) -> bool:
        """Whether the page can change nothing."""
        return not self.switches


Document: TypeAlias = Mapping[str, Any]
"""The JSON document of a request or a reply."""


def text_of(document: Document, key: str) -> str:
    """Return a text of a request.

    Raises:
        Wrong: there is none.

    """
    value = document.get(key)
    if not isinstance(value, str):
        raise Wrong(f"{key}: a text is needed")
    return value


Action: TypeAlias = Callable[[Document], Awaitable[Document]]
"""Carries out a request of the page; raises `Wrong`."""
Publish: TypeAlias = Callable[[str, Any], None]
"""Sends an event to all open pages: its name and a JSON value."""


class Source(Protocol):
    """A cluster that the page shows."""

    async def choices(self) -> Choices:
        """Return what can be chosen now."""
        ...

    async def set_faults(self, faults: Sequence[str]) -> None:
        """Make these faults the active ones, and no others; a page's address has them.

        Raises:
            Wrong: there is no such fault, or there can be none.

        """
        ...

    async def walks(self, asked: Asked) -> Sequence[Walk]:
        """Look a name up; return its walks, one per DNS service.

        Raises:
            Wrong: there is no such pod, resolver or name.

        """
        ...

    def state(self) -> Mapping[str, Any]:
        """Return the events that a page needs when it opens, by name."""
        ...

    @property
    def actions(self) -> Mapping[str, Action]:
        """What the page may change, by name; empty for a real cluster."""
        ...


@dataclass(slots=True)
class Events:
    """Sends events to the pages that are open."""

    subscribers: list[Publish] = field(default_factory=list)

    def publish(self, name: str, value: Any) -> None:  # noqa: ANN401  # JSON
        """Send an event to all open pages."""
        for subscriber in list(self.subscribers):
            subscriber(name, value)
