"""Objects as Tables and as PartialObjectMetadata."""

from collections.abc import Iterable

from .columns import Cell, Column
from .kind import Kind
from .objects import Json

TABLE = "as=Table"
PARTIAL = "as=PartialObjectMetadata"
_META = "meta.k8s.io/v1"


def wants_table(accept: str) -> bool:
    """Return whether a client prefers a Table."""
    return TABLE in accept.partition(",")[0]


def wants_partial(accept: str) -> bool:
    """Return whether a client wants PartialObjectMetadata."""
    return PARTIAL in accept.partition(",")[0]


def table(
    kind: Kind, objects: Iterable[Json], meta: Json, now: float, include: str = ""
) -> Json:
    """Return objects as a Table; ``include`` is Metadata, Object or None."""
    return {
        "kind": "Table",
        "apiVersion": _META,
        "metadata": meta,
        "columnDefinitions": [_definition(column) for column in kind.columns],
        "rows": [_row(kind, obj, now, include) for obj in objects],
    }


def _definition(column: Column) -> Json:
    """Return the definition of a column."""
    return {
        "name": column.title,
        "type": column.type,
        "format": "name" if column.title == "Name" else "",
        "description": "",
        "priority": 1 if column.wide else 0,
    }


def _row(kind: Kind, obj: Json, now: float, include: str) -> Json:
    """Return one row with the requested part of the object."""
    row: Json = {"cells": [_cell(column, obj, now) for column in kind.columns]}
    if include == "Object":
        row["object"] = obj
    elif include != "None":
        row["object"] = partial(obj)
    return row


def _cell(column: Column, obj: Json, now: float) -> Cell:
    """Return one cell; <invalid> if the object lacks the expected fields."""
    try:
        return column.cell(obj, now)
    except (AttributeError, KeyError, TypeError, ValueError):
        return "<invalid>"


def partial(obj: Json) -> Json:
    """Return the PartialObjectMetadata of an object."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": _META,
        "metadata": obj["metadata"],
    }


def partial_list(objects: Iterable[Json], meta: Json) -> Json:
    """Return the PartialObjectMetadataList of objects."""
    return {
        "kind": "PartialObjectMetadataList",
        "apiVersion": _META,
        "metadata": meta,
        "items": [partial(obj) for obj in objects],
    }
