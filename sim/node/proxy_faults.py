"""The imperfections of kube-proxy and conntrack, and their words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from .fault_words import is_number, rate, seconds
from .kube_proxy import Conntrack


@dataclass(slots=True)
class ProxyFaults:
    """The imperfections of kube-proxy and conntrack; a new object has none."""

    conntrack: Conntrack = field(default_factory=Conntrack)
    race_rate: float = 0.0
    """Probability that a second packet of a new flow, sent at the same time as the
    first, creates an entry of its own. If its endpoint differs, the kernel drops it
    (insert_failed)."""
    lag_s: float = 0.0
    """Seconds from a change of objects to the new rules of kube-proxy."""
    keeps_stale: bool = False
    """Whether the conntrack entries of gone endpoints stay."""
    masquerades: bool = False
    """Whether Services see the node as the client of all flows (--masquerade-all)."""
    words: dict[str, str] = field(default_factory=dict)
    """The settings that were changed, by their words."""

    def set(self, words: Sequence[str]) -> None:
        """Change the settings in ``words``: WORD VALUE pairs of ``WORDS``.

        Raises:
            ValueError: a word or a value is unknown or missing.

        """
        settings = dict[str, str]()
        rest = iter(words)
        for word in rest:
            value = next(rest, None)
            if word not in WORDS:
                raise ValueError(f"{word} is not {' or '.join(WORDS)}")
            if word in settings:
                raise ValueError(f"{word} is surplus: such a word is there already")
            if value is None:
                raise ValueError(f"{word} needs a value")
            settings[word] = value
            WORDS[word](ProxyFaults(), value)  # nothing is set if one is wrong
        for word, value in settings.items():
            WORDS[word](self, value)
            self.words[word] = value

    def clear(self) -> None:
        """Return to the settings of a kube-proxy without faults."""
        for word, value in _NORMAL.items():
            WORDS[word](self, value)
        self.words.clear()


def _race(faults: ProxyFaults, value: str) -> None:
    faults.race_rate = float(rate(value))


def _lag(faults: ProxyFaults, value: str) -> None:
    faults.lag_s = seconds(value)


def _stale(faults: ProxyFaults, value: str) -> None:
    faults.keeps_stale = _is_yes("stale", value)


def _masquerade(faults: ProxyFaults, value: str) -> None:
    faults.masquerades = _is_yes("masquerade", value)


def _is_yes(word: str, value: str) -> bool:
    if value not in ("yes", "no"):
        raise ValueError(f"{word} {value} is not yes or no")
    return value == "yes"


def _conntrack(faults: ProxyFaults, value: str) -> None:
    if not is_number(value) or not int(value):
        raise ValueError(f"{value} is not a whole number from 1 up")
    faults.conntrack.max_entries = int(value)


WORDS: Mapping[str, Callable[[ProxyFaults, str], None]] = MappingProxyType(
    {
        "race": _race,
        "lag": _lag,
        "stale": _stale,
        "conntrack": _conntrack,
        "masquerade": _masquerade,
    }
)
"""Sets one setting from the value after its word."""
_NORMAL = {
    "race": "0/1",
    "lag": "0s",
    "stale": "no",
    "conntrack": str(1 << 18),
    "masquerade": "no",
}
