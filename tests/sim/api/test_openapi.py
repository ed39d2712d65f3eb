"""The OpenAPI documents that `kubectl explain` reads."""

from collections.abc import Iterator
from typing import Any

from sim.api import descriptions, openapi
from sim.api.kinds import KINDS
from sim.api.objects import Json
from tests.table import table


def references(value: Any) -> Iterator[str]:
    """Yield the names that a schema refers to."""
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"].rpartition("/")[2]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def document(prefix: str) -> Json:
    found = openapi.document(openapi.INDEX + prefix)
    assert found is not None
    return found


@table("kind", KINDS, ids=lambda kind: kind.title)
def test_every_kind_has_a_schema(kind: Any) -> None:
    schemas = document(kind.prefix)["components"]["schemas"]
    identity = {"group": kind.group, "version": kind.version, "kind": kind.name}
    assert [name for name, s in schemas.items() if identity in s.get("x-kubernetes-group-version-kind", ())] == [
        kind.name
    ]
    assert set(references(schemas)) <= set(schemas)


def test_fields_of_a_pod() -> None:
    schemas = document("/api/v1")["components"]["schemas"]
    nameservers = schemas["PodDNSConfig"]["properties"]["nameservers"]
    assert (nameservers["type"], nameservers["items"]) == ("array", {"type": "string"})
    assert set(references(schemas["ServicePort"]["properties"]["targetPort"])) == {"IntOrString"}


def test_other_paths_have_no_document() -> None:
    assert [openapi.document(path) for path in ("/openapi/v2", "/openapi/v3/apis/none/v1")] == [None, None]


def test_kinds_and_fields_are_described_and_nothing_else_is() -> None:
    schemas: Json = {}
    for prefix in {kind.prefix for kind in KINDS}:
        schemas |= document(prefix)["components"]["schemas"]
    assert all(schemas[kind.name]["description"] for kind in KINDS)
    assert set(descriptions.KINDS) == {kind.name for kind in KINDS}
    fields = {(name, field) for name, schema in schemas.items() for field in schema.get("properties", ())}
    assert all(descriptions.of_field(*each) for each in fields)
    names = {field for _, field in fields} | {".".join(each) for each in fields}
    assert set(descriptions.FIELDS) <= names
