"""What reflectors count, as families of metrics; brought up to date when scraped."""

from minidns.kubernetes.reflector import Reflector
from minidns.metrics.registry import Metrics

PREFIX = "minidns_kubernetes_"
LABELS = ("resource",)
COUNTED = {
    "lists": ("lists", "Lists of the API server that were taken in to their end."),
    "watches": ("watches", "Watches of the API server that were begun."),
    "events": ("events", "Changes that watches told of."),
    "errors": ("errors", "Lists and watches that failed or broke off."),
    "skipped": ("skipped_objects", "Objects that could not be read or applied."),
}
"""By attribute of a reflector: name and help of the family."""


class Counts:
    """The families, and how much of each reflector they have."""

    def __init__(self, metrics: Metrics) -> None:
        self._families = {
            attribute: metrics.counter(f"{PREFIX}{name}_total", help_, LABELS)
            for attribute, (name, help_) in COUNTED.items()
        }
        self._told: dict[Reflector, dict[str, int]] = {}

    def tell(self, reflector: Reflector) -> None:
        """Add what ``reflector`` has counted since the last time."""
        told = self._told.setdefault(reflector, {})
        labels = (reflector.resource.plural,)
        for attribute, family in self._families.items():
            count = getattr(reflector, attribute)
            family.inc(labels, count - told.get(attribute, 0))
            told[attribute] = count

    def end(self, reflector: Reflector) -> None:
        """Add what is left of ``reflector``, which has ended."""
        if reflector in self._told:
            self.tell(reflector)
            del self._told[reflector]
