"""Objects, changes and tables as people read them. Pure."""

import json
from collections.abc import Iterable, Iterator, Sequence
from difflib import unified_diff

import yaml

from minidns.kubernetes.decode import printable
from minidns.kubernetes.documents import Json


class _Dumper(yaml.SafeDumper):
    """Writes a value that occurs twice in full, without YAML anchors."""

    def ignore_aliases(self, data: object) -> bool:
        """Return that no anchor is wanted."""
        return True


def yaml_of(objects: Iterable[Json]) -> str:
    """Return objects as one YAML stream."""
    texts = (yaml.dump(obj, Dumper=_Dumper, sort_keys=False) for obj in objects)
    return "---\n".join(texts)


def json_of(objects: Iterable[Json]) -> str:
    """Return objects as a List in JSON, as kubectl takes it."""
    whole = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
    return json.dumps(whole, indent=2)


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the rows with their columns lined up; the first is the heading."""
    safe = [[printable(cell) or "-" for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*safe, strict=True)]
    for row in safe:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "   ".join(cells).rstrip()


def difference(before: Json, after: Json) -> list[str]:
    """Return what changes of an object, as a diff of its YAML with three lines around.

    Fields that the server maintains are left out.
    """
    old, new = (yaml_of([_shown(obj)]).splitlines() for obj in (before, after))
    return [line for line in unified_diff(old, new, lineterm="", n=3)][2:]


def _shown(obj: Json) -> Json:
    hidden = ("managedFields", "resourceVersion", "uid", "generation")
    meta = {k: v for k, v in obj["metadata"].items() if k not in hidden}
    return {**{k: v for k, v in obj.items() if k != "status"}, "metadata": meta}


def text_difference(first: str, second: str, names: tuple[str, str]) -> list[str]:
    """Return how two texts differ, as a diff; empty if they do not."""
    old, new = first.splitlines(), second.splitlines()
    return list(unified_diff(old, new, *names, lineterm="", n=2))
