"""Adds, lists and clears faults by their words, in scenarios and on a live cluster."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from . import fault_words
from .links import Links, Losses
from .places import Places
from .proxy_faults import ProxyFaults

PROXY = "proxy"
"""The word before the settings of kube-proxy."""
PROXY_USAGE = "WORD VALUE [WORD VALUE]..."


class ActiveFault(NamedTuple):
    """A fault, or a setting of kube-proxy, that is in effect."""

    text: str
    hits: int | None
    """The affected messages; None for a setting of kube-proxy."""

    def line(self) -> str:
        """Return the fault in a line for people."""
        return self.text if self.hits is None else f"{self.text}: {self.hits}"


@dataclass(frozen=True, slots=True)
class FaultControl:
    """The faults of a cluster by their words."""

    links: Links
    proxy: ProxyFaults
    places: Places
    is_live: bool = False
    """Whether the servers are processes, which `clear` lets go on."""

    def add(self, words: Sequence[str]) -> None:
        """Add the fault of ``words``; the same words again restart it.

        Raises:
            ValueError: a word is unknown, missing or surplus; the message names it.

        """
        if words and words[0] == PROXY:
            if len(words) == 1:
                raise ValueError(f"nothing follows {PROXY}")
            self.proxy.set(words[1:])
            return
        if list(words[:2]) in (["lose", "query"], ["lose", "reply"]):
            what, qtype, times = fault_words.next_losses(words[1:])
            self.links.losses[" ".join(words)] = Losses(what, qtype, times)
            return
        fault = fault_words.parse(words)
        fault_words.check_names(fault, self.places.names())
        self.places.check_link(fault)
        self.links.faults.add(fault)

    def active(self) -> Iterator[ActiveFault]:
        """Yield all faults in the order in which they were added."""
        for text, hits in self.links.faults.hits.items():
            yield ActiveFault(text, hits)
        for text, losses in self.links.losses.items():
            if losses.left:
                yield ActiveFault(text, losses.lost)
        for word, value in self.proxy.words.items():
            yield ActiveFault(f"{PROXY} {word} {value}", None)

    def clear(self, text: str = "") -> None:
        """Remove the fault with the words ``text``, or all of them.

        Stopped servers of a live cluster go on; those of a scenario do at ``mend``.

        Raises:
            ValueError: there is no such fault.

        """
        word, _, rest = text.partition(" ")
        if word == PROXY or not text:
            self._clear_proxy(rest)
        if not text:
            self.links.losses.clear()
        if text in self.links.losses:
            del self.links.losses[text]
        elif word != PROXY:
            self.links.faults.clear(text)
        if self.is_live and word in ("", "stop"):
            self.links.servers.resume()

    def _clear_proxy(self, text: str) -> None:
        settings = dict(self.proxy.words)
        if text:
            word, _, value = text.partition(" ")
            if settings.get(word) != value:
                raise ValueError(f"{PROXY} {text} is not in effect")
            del settings[word]
        self.proxy.clear()
        if text:
            for word, value in settings.items():
                self.proxy.set((word, value))
