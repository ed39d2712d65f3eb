"""Manifests: YAML or JSON text with objects, as for `kubectl apply -f`."""

from collections.abc import Iterator
from pathlib import Path

import yaml

from .objects import Json
from .status import bad_request

# libyaml's loader takes a tenth of the time; PyYAML is also built without it
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def from_text(text: str) -> Iterator[Json]:
    """Yield the objects of every document, and the items of Lists.

    Raises:
        ApiError: the text is not YAML, or a document is not an object (400).

    """
    try:
        documents = list(yaml.load_all(text, _LOADER))
    except yaml.YAMLError as error:
        raise bad_request(f"cannot read the manifest: {error}") from None
    for document in documents:
        if document is None:  # only comments
            continue
        if not isinstance(document, dict) or "kind" not in document:
            raise bad_request(f"cannot read the manifest: no kind in {document!r:.60}")
        if "items" not in document and not isinstance(document.get("metadata"), dict):
            kind = document["kind"]
            raise bad_request(f"cannot read the manifest: {kind} has no metadata")
        if document["kind"].endswith("List") and "items" in document:
            yield from document["items"]
        else:
            yield document


def from_path(path: Path | str) -> Iterator[Json]:
    """Yield the objects of a file, or of all manifests of a folder in order.

    Raises:
        ApiError: a file is not a manifest (400).
        OSError: a file cannot be read.

    """
    path = Path(path)
    names = (".json", ".yaml", ".yml")
    inside = sorted(path.iterdir()) if path.is_dir() else [path]
    for file in inside:
        if file == path or file.suffix in names:
            yield from from_text(file.read_text())
