"""Reports: what they say follows from the ledger, and hostile text stays text."""

import json
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from random import Random
from xml.etree import ElementTree

import pytest

from minidns.trial.arms import Client, NameKind, Target
from minidns.trial.ledger import Ledger
from minidns.trial.lookup import Outcome, Result, Subject
from minidns.trial.report.facts import EXIT_STATUS, Report, Setup, not_tested, report
from minidns.trial.report.formats import FORMATS, to_json
from minidns.trial.report.plots import rates, timeline
from minidns.trial.report.sentences import percent
from minidns.trial.suspects import Suspect
from minidns.trial.verdict import Court, Verdict
from tests.table import table

from .model import CAUSES, layout, trial

SETUP = Setup(1_700_000_000.0, "minidns trial run --names 'a b'", "prod")
HOSTILE = '<script>alert(1)</script>|`x`\x1b[31m"&\u202e'


def of_cause(cause: str, *, seal: bool = True, seed: int = 300, limit: float = 60) -> Report:
    verdict, ledger = trial(CAUSES[cause], 0.03, seed, seal=seal, limit=limit)
    return report(ledger, verdict, SETUP)


@pytest.fixture(scope="module")
def of_replica() -> Report:
    return of_cause("one-replica")


@pytest.fixture(scope="module")
def hostile() -> Report:
    ledger, rng = Ledger(layout(), 0.01), Random(1)
    ledger.ticks = 60
    for second in range(60):
        for target in ledger.layout.targets:
            bad = Target(target.arm, target.address, target.replica)
            failed = target.arm.name == "A" and rng.random() < 0.5
            outcome = Outcome.SILENT if failed else Outcome.REPLIED
            subject = Subject(HOSTILE, NameKind.CLUSTER, objects=HOSTILE)
            result = Result(second * 10.0, 0.001, outcome, addresses=frozenset((HOSTILE,)), replica=HOSTILE)
            ledger.record(bad, Client(HOSTILE, "node-1"), subject, result)
    setup = Setup(0.0, HOSTILE, HOSTILE)
    return report(ledger, Court.of(ledger).verdict(ledger), setup)


def test_the_sentence_has_replica_rate_certainty_and_runner_up(of_replica: Report) -> None:
    assert of_replica.verdict is Suspect.REPLICA
    assert of_replica.part == "coredns-b"
    bad = next(row for row in of_replica.arms if row.target.endswith("coredns-b"))
    for part in ("coredns-b", "%", f"{of_replica.runner_up}", "1:"):
        assert part in of_replica.sentence
    assert 0.02 < bad.rate < 0.15
    assert of_replica.odds is not None
    assert of_replica.odds >= 200


@table(
    ("releases", "named"),
    [
        pytest.param(("1.14.7", "1.11.3"), ("CoreDNS 1.14.7 ", "1.11.3"), id="both are known"),
        pytest.param(("1.14.7", ""), ("CoreDNS 1.14.7 ",), id="the other is an image of one's own"),
        pytest.param(("", ""), ("version",), id="neither is known"),
    ],
)
def test_the_verdict_on_a_version_names_the_releases(releases: tuple[str, str], named: tuple[str, ...]) -> None:
    verdict, ledger = of_version()
    release, other = releases
    ledger.layout = ledger.layout._replace(release=release, other_release=other)
    result = report(ledger, verdict, SETUP)
    for name in named:
        assert name in result.sentence
    (way,) = (row.way for row in result.arms if row.arm == "V")
    assert other in way


def test_the_share_in_the_sentence_is_that_of_failed_lookups_also_in_bursts() -> None:
    ledger = Ledger(layout(), 0.05)
    for second in range(200):
        for target in layout().targets:
            lost = target.arm.name == "A" and second % 20 < 3
            outcome = Outcome.SILENT if lost else Outcome.REPLIED
            result = Result(second, 0.001, outcome, addresses=frozenset(("10.96.7.9",)))
            subject = Subject("web.shop.", NameKind.CLUSTER)
            ledger.record(target, ledger.layout.clients[0], subject, result)
    made = report(ledger, Court.of(ledger).verdict(ledger), SETUP)
    assert made.verdict is Suspect.PATH
    (row,) = (row for row in made.arms if row.arm == "A")
    assert (row.lookups, row.failures, row.episodes) == (200, 30, 10)
    assert " 15 % of " in made.sentence


@cache
def of_version() -> tuple[Verdict, Ledger]:
    return trial(CAUSES["version"], 0.2, 300, arms="A R M P K KP V VP")


def test_arms_and_failures_are_those_of_the_ledger(of_replica: Report) -> None:
    assert sum(row.failures for row in of_replica.arms) == len(of_replica.failures) + of_replica.unlisted
    assert {row.lookups for row in of_replica.arms} == {of_replica.lookups}
    first = of_replica.failures[0]
    assert first.time.startswith("2023-11-14T22:13:2")
    assert {first.pod, first.node} & {"prober-node-1", "prober-node-2"}
    direct = [failure for failure in of_replica.failures if failure.arm == "D" and failure.begins_episode]
    assert {failure.replica for failure in direct} >= {"coredns-b"}


@pytest.mark.slow
def test_without_failures_the_bound_is_three_in_n() -> None:
    verdict, ledger = trial(CAUSES["none"], 0.03, 301, background=0.0)
    result = report(ledger, verdict, SETUP)
    assert result.verdict is Suspect.NONE
    assert percent(3 / ledger.ticks)[:3] == percent(result.bound)[:3]
    assert percent(result.bound) in result.sentence
    assert str(ledger.ticks) in result.sentence


@table(
    ("lost", "said"),
    [
        pytest.param((), "no failure in 100 lookups", id="none"),
        pytest.param((7,), "1 failure in 100 lookups", id="one"),
        pytest.param((7, 90), "2 failures in 100 lookups", id="two"),
        pytest.param((7, 8, 90), "3 failures (2 episodes) in 100 lookups", id="a burst, and another"),
    ],
)
def test_not_reproduced_counts_the_failures_that_the_table_shows(lost: tuple[int, ...], said: str) -> None:
    ledger = Ledger(layout(), 0.05)
    ledger.ticks = 100
    for second in range(100):
        for target in layout().targets:
            outcome = Outcome.SILENT if target.arm.name == "A" and second in lost else Outcome.REPLIED
            result = Result(second, 0.001, outcome, addresses=frozenset(("10.96.7.9",)))
            subject = Subject("web.shop.", NameKind.CLUSTER)
            ledger.record(target, ledger.layout.clients[0], subject, result)
    verdict = replace(Court.of(ledger).verdict(ledger), suspect=Suspect.NONE)
    assert said in report(ledger, verdict, SETUP).sentence


def test_an_open_trial_names_the_likeliest_suspects() -> None:
    result = of_cause("configuration", limit=0.7)
    assert result.verdict is Suspect.UNDECIDED
    assert result.part == ""
    for row in result.suspects[:2]:
        assert row.suspect in result.sentence


def test_an_interceptor_has_no_odds() -> None:
    result = of_cause("none", seal=False)
    assert result.verdict is Suspect.INTERCEPTOR
    assert (result.odds, result.runner_up, result.probability) == (None, None, None)
    assert FORMATS["text"](result)


def test_a_trial_without_a_lookup_has_a_report() -> None:
    ledger = Ledger(layout(), 0.01)
    empty = report(ledger, Court.of(ledger).verdict(ledger), SETUP)
    for form in FORMATS.values():
        assert form(empty)


def test_json_has_the_facts(of_replica: Report) -> None:
    values = json.loads(FORMATS["json"](of_replica))
    assert values == to_json(of_replica)
    assert values["verdict"] == "one-replica"
    for name in ("arms", "suspects", "failures"):
        assert [tuple(row.values()) for row in values[name]] == list(getattr(of_replica, name))
        assert {tuple(row) for row in values[name]} == {row._fields for row in getattr(of_replica, name)}
    assert {"odds", "runner_up", "lookups", "seconds", "arms", "not_tested", "next_steps", "repeat"} <= set(values)


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    VOID = ("meta", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.content = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.content += data


@pytest.mark.parametrize("which", ["of_replica", "hostile"])
def test_the_page_is_self_contained_html_with_plots(which: str, request: pytest.FixtureRequest) -> None:
    page = Page(FORMATS["html"](request.getfixturevalue(which)))
    assert not page.open
    assert {"table", "svg", "circle", "rect"} <= page.tags
    assert page.tags.isdisjoint({"script", "img", "link", "iframe", "object", "form", "a"})
    assert page.attributes.isdisjoint({"src", "href", "onload", "style"})


@pytest.mark.parametrize("plot", [timeline, rates])
def test_plots_are_svg(plot: object, of_replica: Report, hostile: Report) -> None:
    for facts in (of_replica, hostile):
        image = ElementTree.fromstring(plot(facts))  # type: ignore[operator]
        assert image.tag.endswith("svg")


def test_the_timeline_has_every_failure(of_replica: Report) -> None:
    kinds = {failure.kind.partition(",")[0] for failure in of_replica.failures}  # the legend
    assert timeline(of_replica).count("<circle") == len(of_replica.failures) + len(kinds)


@pytest.mark.parametrize("name", FORMATS)
def test_hostile_text_stays_text(name: str, hostile: Report) -> None:
    text = FORMATS[name](hostile)
    assert "\x1b" not in text
    assert "\u202e" not in text
    if name == "html":
        assert "<script" not in text
    if name == "markdown":
        outside_code = [line for line in text.splitlines() if not line.startswith("    ")]
        assert "<script" not in "".join(outside_code).replace("\\<", "")
        rows = [line for line in text.splitlines() if line.startswith("| ") and "script" in line]
        assert rows
        assert {len(line.replace("\\|", "").split("|")) for line in rows} == {14}


def test_every_verdict_has_an_exit_status_of_its_own() -> None:
    assert set(EXIT_STATUS) == set(Suspect)
    assert len(set(EXIT_STATUS.values())) == len(EXIT_STATUS)
    assert {s for s, status in EXIT_STATUS.items() if 10 <= status < 20} == {s for s in Suspect if s.is_coredns}
    assert not {1, 2} & set(EXIT_STATUS.values())  # errors and wrong command lines


@table(
    ("arms", "nodes", "replicas", "words"),
    [
        pytest.param("A R M P K KP", ("n1", "n2"), ("a", "b"), ["Arm V"], id="no other version"),
        pytest.param("A R M P", ("n1", "n2"), ("a", "b"), ["Arm V", "Arm K ", "configuration"], id="without K"),
        pytest.param("A R M P K KP V VP", ("n1",), ("a", "b"), ["one node"], id="one node"),
        pytest.param("A R M P K KP V VP", ("n1", "n2"), ("a",), ["one replica"], id="one replica"),
    ],
)
def test_what_was_not_tested_is_said(
    arms: str, nodes: tuple[str, ...], replicas: tuple[str, ...], words: list[str]
) -> None:
    lines = "\n".join(not_tested(layout(arms, nodes, replicas)))
    for word in words:
        assert word in lines
    complete = "\n".join(not_tested(layout("A R M P K KP V VP")))
    assert not any(word in complete for word in words)
