"""Manifests: YAML or JSON text with objects, as for `kubectl apply -f`."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from .objects import Json
from .status import ApiError, bad_request

# libyaml's loader takes a tenth of the time; PyYAML is also built without it
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Manifest(NamedTuple):
    """An object of a manifest, and where it is written."""

    obj: Json
    node: yaml.Node

    def line(self, path: str = "") -> int:
        """Return the line of the field at a path such as ``spec.ports[0].port``.

        It is that of the innermost field on the path that is written.
        """
        node, at = self.node, self.node.start_mark.line
        for name in re.findall(r"[^.\[\]]+", path):
            found = _inside(node, name)
            if found is None:
                break
            node, at = found
        return at + 1


def _inside(node: yaml.Node, name: str) -> tuple[yaml.Node, int] | None:
    """Return a field or an item of ``node``, and its line."""
    if isinstance(node, yaml.MappingNode):
        fields = (
            (value, key.start_mark.line)
            for key, value in node.value
            if key.value == name
        )
        return next(fields, None)
    if isinstance(node, yaml.SequenceNode) and name.isdecimal():
        items = [(item, item.start_mark.line) for item in node.value]
        return items[int(name)] if int(name) < len(items) else None
    return None


def from_text(text: str) -> Iterator[Json]:
    """Yield the objects of every document, and the items of Lists.

    Raises:
        ApiError: the text is not YAML, or a document is not an object (400).

    """
    return (manifest.obj for manifest in read(text))


def read(text: str) -> Iterator[Manifest]:
    """Yield the objects of every document, and the items of Lists, with their lines.

    Raises:
        ApiError: the text is not YAML, or a document is not an object (400).

    """
    for document, node in _documents(text):
        if document is None:  # only comments
            continue
        at = Manifest(document, node)
        if not isinstance(document, dict) or not _is_text(document.get("kind")):
            raise _unreadable(at.line("kind"), "an object has a kind, such as Service")
        if not document["kind"].endswith("List") or "items" not in document:
            yield _checked(at)
            continue
        items = document["items"]
        if not isinstance(items, list):
            raise _unreadable(at.line("items"), "items is not a list")
        for index, item in enumerate(items):
            inside = _inside(node, "items")
            part = _inside(inside[0], str(index)) if inside else None
            yield _checked(Manifest(item, part[0] if part else node))


def _checked(manifest: Manifest) -> Manifest:
    """Return a manifest whose object can be sent to the API.

    Raises:
        ApiError: it has no apiVersion, kind or metadata (400).

    """
    obj = manifest.obj
    if not isinstance(obj, dict):
        raise _unreadable(manifest.line(), "an object has fields")
    for name in ("apiVersion", "kind"):
        if not _is_text(obj.get(name)):
            raise _unreadable(
                manifest.line(name), f"an object has a text as its {name}"
            )
    if not isinstance(obj.get("metadata"), dict):
        line = manifest.line("metadata")
        raise _unreadable(line, f"{obj['kind']} has no metadata with a name")
    return manifest


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _documents(text: str) -> Iterator[tuple[Any, yaml.Node]]:
    """Yield the documents with their nodes; raises ApiError if one is not YAML."""
    loader = _LOADER(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            assert node is not None  # check_node has said so
            _check_keys(node, (), set())
            yield loader.construct_document(node), node
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _unreadable(mark.line + 1 if mark else 1, _reason(error)) from None
    except (yaml.YAMLError, ValueError):  # characters, or a value such as 2026-02-31
        raise bad_request("the manifest is not YAML: it has no valid text") from None
    finally:
        loader.dispose()


def _check_keys(
    node: yaml.Node, around: tuple[yaml.Node, ...], checked: set[yaml.Node]
) -> None:
    """Check that no key is there twice, and no value inside itself.

    Raises:
        ApiError: one is (400).

    """
    if node in around:
        raise _unreadable(node.start_mark.line + 1, "a value contains itself")
    if node in checked:  # an alias; without this, aliases of aliases take forever
        return
    checked.add(node)
    inside = (*around, node)
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check_keys(item, inside, checked)
    if isinstance(node, yaml.MappingNode):
        keys = Counter(str(key.value) for key, _ in node.value)
        for key, value in node.value:
            if keys[str(key.value)] > 1 and key.value != "<<":
                line = key.start_mark.line + 1
                raise _unreadable(line, f"the key {key.value} is there twice")
            _check_keys(value, inside, checked)


_REASONS = {
    r"cannot start any token": "a character that may not begin a value, as a tab or %",
    r"undefined alias": "an alias (*) without its anchor (&)",
    r"constructor for the tag": "an unknown tag (!)",
    r"mapping values are not allowed": "a second colon in a line: quote the text",
    r"expected ',' or|expected node content": "a missing comma or closing bracket",
    r"unhashable key": "a key that is not a text",
    r"unexpected end|end of stream": "a quoted text without its end",
    r"could not find expected ':'|block|key": "a missing colon, or a wrong indent",
}
"""What is wrong, by what the parser says."""


def _reason(error: yaml.MarkedYAMLError) -> str:
    said = f"{error.context or ''} {error.problem or ''}"
    found = (why for what, why in _REASONS.items() if re.search(what, said))
    return f"not YAML: {next(found, 'it cannot be read')}"


def _unreadable(line: int, why: str) -> ApiError:
    return bad_request(f"line {line} of the manifest: {why}")


def from_path(path: Path | str) -> Iterator[Json]:
    """Yield the objects of a file, or of all manifests of a folder in order.

    Raises:
        ApiError: a file is not a manifest (400).
        OSError: a file cannot be read.
        UnicodeDecodeError: a file is not UTF-8.

    """
    path = Path(path)
    names = (".json", ".yaml", ".yml")
    inside = sorted(path.iterdir()) if path.is_dir() else [path]
    for file in inside:
        if file == path or file.suffix in names:
            yield from from_text(file.read_text(encoding="utf-8"))
