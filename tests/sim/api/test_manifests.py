from pathlib import Path

from sim.api.manifests import from_path, from_text
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


@table("text", ["a: [", "- just\n- a list\n", "name: no-kind\n"])
def test_what_is_no_manifest(text: str) -> None:
    status = failing(lambda: list(from_text(text)))
    assert status["message"].startswith("cannot read the manifest: ")


def test_folder(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.json"):
        kind = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "%s"}}'
        (tmp_path / name).write_text(kind % name)
    (tmp_path / "notes.txt").write_text("nothing")
    assert names(from_path(tmp_path)) == ["a.json", "b.yaml"]
    assert names(from_path(str(tmp_path / "b.yaml"))) == ["b.yaml"]
