"""`minidns-sim resolve`, called as a function."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from sim.__main__ import main
from sim.resolver.kinds import KINDS
from tests.table import table

CONF = "search a.svc.cluster.local svc.cluster.local\nnameserver 10.96.0.10\nnameserver 10.96.0.20\noptions ndots:5\n"
WEB = "web.svc.cluster.local=10.96.0.7"


@pytest.fixture
def conf(tmp_path: Path) -> str:
    path = tmp_path / "resolv.conf"
    path.write_text(CONF)
    return str(path)


def report(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    main(["resolve", "-o", "json", *words])
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_resolver_has_a_report(kind: Any, conf: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = report(capsys, "--as", kind.name, "--resolv-conf", conf, "--answer", WEB, "web")
    assert found["resolver"] == kind.name
    assert found["cost"]["queries"] == len(found["queries"])
    answered = sum(query["result"] != "no reply" for query in found["queries"])
    assert found["cost"]["packets"] == len(found["queries"]) + answered
    has_address = found["result"]["addresses"] == ["10.96.0.7"]
    assert has_address == (not found["result"]["error"])


def test_order_and_time(conf: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--resolv-conf", conf, "--server", "1=drop", "--answer", WEB, "web")
    glibc = report(capsys, "--as", "glibc", *words)
    assert [(q["at"], q["server"], q["type"]) for q in glibc["queries"]][:4] == [
        (0, "10.96.0.10", "A"),
        (0, "10.96.0.10", "AAAA"),
        (5, "10.96.0.20", "A"),
        (5, "10.96.0.20", "AAAA"),
    ]
    assert glibc["cost"] == {"queries": 8, "packets": 12, "seconds": 10.002}
    musl = report(capsys, "--as", "musl", *words)
    assert musl["cost"]["seconds"] < 1
    assert {q["server"] for q in musl["queries"]} == {"10.96.0.10", "10.96.0.20"}


@pytest.mark.parametrize(
    ("what", "result", "seconds"),
    [
        ("servfail", "SERVFAIL", 0),
        ("refused", "REFUSED", 0),
        ("closed", "refused", 0),
        ("truncate", "truncated", 0),
        ("delay 200", "10.96.0.7", 0.2),
        ("drop 0", "10.96.0.7", 0),
        ("drop 1/1", "no reply", 5),
    ],
)
def test_what_a_server_can_do(
    what: str, result: str, seconds: float, conf: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "web.svc.cluster.local."
    words = ("--server", f"1={what}", "--answer", WEB, name, "A")
    found = report(capsys, "--resolv-conf", conf, *words)
    assert found["queries"][0]["result"] == result
    assert found["cost"]["seconds"] == pytest.approx(seconds, abs=0.01)
    assert found["result"]["addresses"] == ["10.96.0.7"]


@pytest.mark.parametrize(("what", "error"), [("nodata", "EAI_NODATA"), ("nxdomain", "EAI_NONAME")])
def test_a_negative_answer_keeps_the_other_server_out(
    what: str, error: str, conf: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--server", f"1={what}", "--answer", WEB, "web.svc.cluster.local.")
    found = report(capsys, "--resolv-conf", conf, *words)
    assert found["result"]["error"] == error
    assert found["cost"]["queries"] == 2


def test_a_rate_is_drawn_from_the_seed(conf: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--resolv-conf", conf, "--server", "1=drop 1/2", "web", "--seed")
    reports = [report(capsys, *words, seed) for seed in ("1", "1", "2", "3", "4")]
    assert reports[0] == reports[1]
    assert any(each != reports[0] for each in reports)


def test_standard_input_and_text(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(CONF))
    status = main(["resolve", "--resolv-conf", "-", "--answer", WEB, "web"])
    out = capsys.readouterr().out
    assert status == 0
    for text in ("web.a.svc.cluster.local.", "10.96.0.7", "4 queries, 8 packets"):
        assert text in out


def test_a_pod_of_a_scenario_if_no_cluster_is_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--state", str(tmp_path), "--pod", "app", "kubernetes.default")
    found = report(capsys, "--as", "musl-1.2.3", *words)
    assert found["result"]["addresses"] == ["10.96.0.1"]
    assert [query["result"] for query in found["queries"]] == ["NXDOMAIN", "NXDOMAIN", "10.96.0.1", "NODATA"]
    assert found["queries"][0]["endpoint"].startswith("10.244.")


@table(
    ("words", "known"),
    [
        (("--as", "nope", "web"), "glibc-2.36"),
        (("--pod", "shop/nope", "web"), "default/app"),
        (("--resolv-conf", "{conf}", "--server", "3=drop", "web"), "2=10.96.0.20"),
        (("--resolv-conf", "{conf}", "--server", "1=fly", "web"), "servfail"),
        (("--resolv-conf", "{conf}", "--server", "1=drop 3/2", "web"), "rate"),
        (("--resolv-conf", "{conf}", "--server", "1=delay", "web"), "delay 300"),
        (("--resolv-conf", "{conf}", "--answer", "web", "web"), "NAME=ADDRESS"),
        (("--resolv-conf", "{conf}", "--answer", "web=x", "web"), "IP"),
        (("--resolv-conf", "{conf}", "a..b"), "63"),
        (("--resolv-conf", "{conf}", "web", "BOGUS"), "BOGUS"),
        (("--resolv-conf", "{conf}"), "NAME"),
        (("web",), "--pod"),
        (("--pod", "app", "--server", "1=drop", "web"), "--resolv-conf"),
    ],
)
def test_wrong_words_are_named_with_what_there_is(
    words: tuple[str, ...], known: str, conf: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled = [word.replace("{conf}", conf) for word in words]
    with pytest.raises(SystemExit, match="2"):
        main(["resolve", "--state", str(tmp_path), *filled])
    captured = capsys.readouterr()
    assert captured.out == ""
    assert known in captured.err


def test_an_unknown_name_is_shown_and_those_there_are_named(
    conf: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--resolv-conf", conf, "--answer", WEB, "nope"]
    assert main(["resolve", *words]) == 2
    captured = capsys.readouterr()
    assert "nope.a.svc.cluster.local." in captured.out
    assert "web.svc.cluster.local." in captured.err
    assert main(["resolve", "--state", str(tmp_path), "--pod", "app", "nope"]) == 2
    assert "kube-dns.kube-system" in capsys.readouterr().err


def test_a_lookup_that_fails_is_status_1(conf: str) -> None:
    words = ["--server", "1=drop", "--server", "2=servfail", "web"]
    assert main(["resolve", "--resolv-conf", conf, *words]) == 1


def test_list_names_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resolve", "--list"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()] == [k.name for k in KINDS]
