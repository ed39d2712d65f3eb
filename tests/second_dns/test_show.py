import json

import yaml

from minidns.second_dns import objects


def test_yaml_has_no_anchors_and_keeps_the_order() -> None:
    shared = {"b": "1", "a": 2}
    text = objects.yaml_of([{"x": shared, "y": shared}, {"z": []}])
    assert "&" not in text
    assert "*" not in text
    assert text.index("b:") < text.index("a:")
    assert list(yaml.safe_load_all(text)) == [{"x": shared, "y": shared}, {"z": []}]


def test_json_is_a_list_as_kubectl_takes_it() -> None:
    found = json.loads(objects.json_of([{"kind": "Service"}]))
    assert (found["kind"], found["items"]) == ("List", [{"kind": "Service"}])


def test_table() -> None:
    assert list(objects.table([("NAME", "N"), ("web", ""), ("a-long-one", "2")])) == [
        "NAME         N",
        "web          -",
        "a-long-one   2",
    ]


def test_control_characters_of_others_do_not_reach_the_terminal() -> None:
    (_, row) = objects.table([("A",), ("\x1b[31mred\n",)])
    assert row.isprintable()


def test_difference_hides_what_the_server_keeps() -> None:
    meta = {"name": "web", "uid": "1", "resourceVersion": "7", "generation": 1}
    before = {"metadata": meta, "spec": {"replicas": 6}, "status": {"replicas": 6}}
    after = {"metadata": {**meta, "resourceVersion": "8"}, "spec": {"replicas": 4}, "status": {}}
    changed = [x for x in objects.difference(before, after) if x[0] in "+-"]
    assert changed == ["-  replicas: 6", "+  replicas: 4"]


def test_texts() -> None:
    assert objects.text_difference("a\nb\n", "a\nb\n", ("x", "y")) == []
    assert objects.text_difference("a\n", "b\n", ("x", "y"))[:2] == ["--- x", "+++ y"]
