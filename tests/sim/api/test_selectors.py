import pytest

from sim.api.kinds import named
from sim.api.selectors import equal_to, matches_labels, of_object, parse_labels, selection
from tests.sim.builders import failing, pod
from tests.table import table

LABELS = {"app": "web", "tier": "front", "n": "5", "example.org/team": "a"}


@table(
    ("text", "matches"),
    [
        pytest.param("", True, id="empty-selects-all"),
        pytest.param("app=web", True, id="equal"),
        pytest.param("app==web", True, id="double-equal"),
        pytest.param("app=other", False, id="not-that-value"),
        pytest.param("app!=web", False, id="not-equal"),
        pytest.param("gone!=web", True, id="not-equal-holds-for-absent-key"),
        pytest.param("app", True, id="exists"),
        pytest.param("gone", False, id="exists-absent"),
        pytest.param("!gone", True, id="absent"),
        pytest.param("!app", False, id="absent-present"),
        pytest.param("app in (web,api)", True, id="in"),
        pytest.param("app in(api)", False, id="in-without-space-before-parenthesis"),
        pytest.param("gone in (web)", False, id="in-absent-key"),
        pytest.param("app notin (web, api)", False, id="notin"),
        pytest.param("gone notin (web)", True, id="notin-holds-for-absent-key"),
        pytest.param("gone in (,web)", False, id="in-empty-value-is-not-absence"),
        pytest.param("n>4", True, id="greater"),
        pytest.param("n<5", False, id="less"),
        pytest.param("app>4", False, id="greater-needs-a-number"),
        pytest.param("app=", False, id="equal-to-nothing"),
        pytest.param("example.org/team=a", True, id="prefixed-key"),
        pytest.param(" app = web , tier in ( front ) ,!x", True, id="spaces-and-all"),
        pytest.param("app=web,tier=back", False, id="all-must-hold"),
    ],
)
def test_label_selector(text: str, matches: bool) -> None:
    assert matches_labels(LABELS, parse_labels(text)) is matches


@table(
    "text",
    [
        pytest.param("a=b=c", id="two-equals"),
        pytest.param("a=b,", id="comma-at-the-end"),
        pytest.param("=b", id="no-key"),
        pytest.param("a in (b", id="open-parenthesis"),
        pytest.param("a in", id="in-without-list"),
        pytest.param("a=-b", id="value-begins-with-dash"),
        pytest.param("a=" + "b" * 64, id="value-of-64"),
        pytest.param("!a=b", id="absent-with-value"),
    ],
)
def test_label_selector_that_cannot_be_read(text: str) -> None:
    assert failing(lambda: parse_labels(text))["code"] == 400


@table(
    ("text", "matches"),
    [
        pytest.param("metadata.name=web-1", True, id="name"),
        pytest.param("metadata.name==web-2", False, id="other-name"),
        pytest.param("metadata.namespace!=default", False, id="namespace"),
        pytest.param("status.phase!=Failed,status.phase!=Unknown", True, id="coredns"),
        pytest.param("spec.nodeName=", True, id="absent-is-empty"),
        pytest.param("spec.hostNetwork=true", True, id="boolean"),
        pytest.param("spec.nodeName=a\\,b", False, id="escaped-comma"),
        pytest.param("", True, id="empty"),
    ],
)
def test_field_selector(text: str, matches: bool) -> None:
    obj = pod() | {"status": {"phase": "Running"}}
    obj["spec"]["hostNetwork"] = True
    assert selection(named("Pod"), fields=text).matches(obj) is matches


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("spec.foo=1", 'field label not supported: "spec.foo"', id="unknown-field"),
        pytest.param("nonsense", "invalid selector: 'nonsense'; can't understand 'nonsense'", id="no-operator"),
    ],
)
def test_field_selector_that_cannot_be_read(text: str, message: str) -> None:
    status = failing(lambda: selection(named("Pod"), fields=text))
    assert (status["code"], status["message"]) == (400, message)


def test_selection_is_of_one_namespace() -> None:
    assert selection(named("Pod"), "default").matches(pod())
    assert not selection(named("Pod"), "other").matches(pod())


@table(
    ("selector", "matches"),
    [
        pytest.param(None, True, id="nothing"),
        pytest.param({"matchLabels": {"app": "web"}}, True, id="labels"),
        pytest.param({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["x"]}]}, False, id="in"),
        pytest.param({"matchExpressions": [{"key": "gone", "operator": "DoesNotExist"}]}, True, id="does-not-exist"),
    ],
)
def test_selector_object(selector: dict[str, object] | None, matches: bool) -> None:
    assert matches_labels(LABELS, of_object(selector)) is matches


def test_selector_object_with_unknown_operator() -> None:
    selector = {"matchExpressions": [{"key": "a", "operator": "Like"}]}
    assert failing(lambda: of_object(selector))["code"] == 400


def test_map_as_selector() -> None:
    assert matches_labels(LABELS, equal_to({"app": "web", "n": "5"}))
    assert not matches_labels(LABELS, equal_to({"app": "web", "n": "6"}))
