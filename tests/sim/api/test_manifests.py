from pathlib import Path

import pytest

from sim.api.manifests import from_path, from_text, read
from sim.controllers.cluster import Cluster
from tests.sim.builders import failing, names
from tests.table import table

TWO = """
# a comment
---
apiVersion: v1
kind: ConfigMap
metadata: {name: a, annotations: {when: 2001-09-09T01:46:40Z}}
---
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: b}, data: {1: x}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: c}}
"""


def test_documents_and_lists() -> None:
    assert names(from_text(TWO)) == ["a", "b", "c"]


def test_dates_and_numbers_become_text() -> None:
    cluster = Cluster()
    for obj in from_text(TWO):
        cluster.create(obj)
    first = cluster.get("ConfigMap", "default", "a")
    assert first["metadata"]["annotations"] == {"when": "2001-09-09T01:46:40Z"}
    assert cluster.get("ConfigMap", "default", "b")["data"] == {"1": "x"}


HEAD = "apiVersion: v1\nkind: Service\n"


@table(
    ("text", "line", "word"),
    [
        pytest.param("a: [", 2, "bracket", id="a bracket that is not closed"),
        pytest.param(f"{HEAD}metadata: {{name: a\n", 4, "bracket", id="a brace that is not closed"),
        pytest.param(f"{HEAD}metadata:\n\tname: a\n", 4, "tab", id="a tab"),
        pytest.param("a: b: c\n", 1, "colon", id="two colons"),
        pytest.param("a: *b\n", 1, "alias", id="an alias of nothing"),
        pytest.param("a: &b [*b]\n", 1, "itself", id="a value in itself"),
        pytest.param("a: !!python/object:os.system x\n", 1, "tag", id="a tag of Python"),
        pytest.param("a: !mine x\n", 1, "tag", id="an own tag"),
        pytest.param('a: "b\n', 2, "end", id="a text without its end"),
        pytest.param(f"{HEAD}metadata: {{name: a, name: b}}\n", 3, "name", id="a key twice"),
        pytest.param("? [a]\n: b\n", 1, "key", id="a list as a key"),
        pytest.param("- just\n- a list\n", 1, "kind", id="a list"),
        pytest.param("name: no-kind\n", 1, "kind", id="no kind"),
        pytest.param("\n\nkind: 5\n", 3, "kind", id="a number as kind"),
        pytest.param(f"{HEAD}", 1, "metadata", id="no metadata"),
        pytest.param(f"{HEAD}metadata: x\n", 3, "metadata", id="metadata is a text"),
        pytest.param("kind: Service\nmetadata: {name: a}\n", 1, "apiVersion", id="no version"),
        pytest.param("kind: List\napiVersion: v1\nitems: 5\n", 3, "items", id="items is no list"),
        pytest.param("kind: List\napiVersion: v1\nitems:\n- 5\n", 4, "fields", id="an item is a number"),
    ],
)
def test_what_is_no_manifest(text: str, line: int, word: str) -> None:
    message = failing(lambda: list(from_text(text)))["message"]
    assert message.startswith(f"line {line} of the manifest: ")
    assert word in message


def test_aliases_of_aliases_take_no_longer_than_their_text() -> None:
    levels = [f"  v{n}: &v{n} [*v{n - 1}, *v{n - 1}]\n" for n in range(1, 60)]
    text = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\nx:\n  v0: &v0 [x]\n{''.join(levels)}"
    assert names(from_text(text)) == ["a"]


@table(
    ("path", "line"),
    [("metadata.name", 3), ("spec.ports[1].port", 7), ("spec.ports[5].port", 5), ("spec.selector", 4), ("", 1)],
)
def test_lines_of_fields(path: str, line: int) -> None:
    ports = "  ports:\n  - port: 1\n  - port: 2\n"
    (manifest,) = read(f"{HEAD}metadata: {{name: a}}\nspec:\n{ports}")
    assert manifest.line(path) == line


def test_folder(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.json"):
        kind = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "%s"}}'
        (tmp_path / name).write_text(kind % name)
    (tmp_path / "notes.txt").write_text("nothing")
    assert names(from_path(tmp_path)) == ["a.json", "b.yaml"]
    assert names(from_path(str(tmp_path / "b.yaml"))) == ["b.yaml"]
