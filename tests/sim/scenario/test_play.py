"""Scenarios hold when, and only when, what they say is what happens."""

import io
import re
from pathlib import Path

import pytest

from sim.__main__ import main
from sim.commands.run import stepping
from sim.scenario import play as scenario
from sim.scenario import setup_words
from sim.scenario.play import COMMANDS, PlayedStep, Scenario, play, scenarios, steps
from tests.table import table

DOCS = Path(__file__).parents[3] / "docs"
HOLDS = """\
service shop/web ip 10.96.7.7 port http:80
pod shop/client
resolve shop/client web
  ask web.shop.svc.cluster.local A    -> 10.96.7.7
  ask web.shop.svc.cluster.local AAAA -> NODATA
  got 10.96.7.7
"""


def played(text: str) -> tuple[PlayedStep, ...]:
    return play(Scenario("text", tuple(steps(text, 1))))


def shown(text: str) -> list[str]:
    """Return what the last command shows."""
    last = played(text)[-1]
    assert not last.problem, last.problem
    return list(last.shown or ())


# -- text


def test_steps_have_their_lines_and_what_is_below_them() -> None:
    text = "# a comment\npod a/b\n\napply\n  kind: X\n    deeper: 1\n\n  more: 2\ncat a/b\n"
    assert [(step.line, step.command, step.body) for step in steps(text, 10)] == [
        (11, "pod a/b", ()),
        (13, "apply", ("kind: X", "  deeper: 1", "", "more: 2")),
        (18, "cat a/b", ()),
    ]


def test_blocks_of_a_page() -> None:
    page = (
        "text\n```scenario\npod a/b\n```\n"
        "```scenario continued\ncat a/b\n```\n"
        "```yaml\nnot: one\n```\n"
        "```scenario\nservers\n```\n"
    )
    first, second = scenarios(page, "page.md")
    assert [(step.line, step.command) for step in first.steps] == [(3, "pod a/b"), (6, "cat a/b")]
    assert [step.command for step in second.steps] == ["servers"]


def test_any_other_file_is_one_scenario() -> None:
    (only,) = scenarios("pod a/b\ncat a/b\n", "story.txt")
    assert len(only.steps) == 2


def test_nothing_to_continue() -> None:
    with pytest.raises(ValueError, match=r"page.md:1: there is nothing to continue"):
        list(scenarios("```scenario continued\nservers\n```\n", "page.md"))


# -- honesty


def test_it_holds() -> None:
    assert all(each.holds for each in played(HOLDS))


@table(
    ("old", "new"),
    [
        pytest.param("got 10.96.7.7", "got 10.96.7.8", id="another-address"),
        pytest.param("-> NODATA", "-> NXDOMAIN", id="another-outcome"),
        pytest.param("  got 10.96.7.7\n", "", id="less-than-happens"),
        pytest.param("got 10.96.7.7", "got 10.96.7.7\n  took 5 s", id="more-than-happens"),
        pytest.param("ip 10.96.7.7", "ip 10.96.7.9", id="another-cluster"),
        pytest.param("service shop", "service other", id="the-cause-removed"),
        pytest.param(" A    ->", " AAAA ->", id="another-type"),
    ],
)  # fmt: skip
def test_it_does_not_hold_when_something_else_happens(old: str, new: str) -> None:
    assert old in HOLDS
    last = played(HOLDS.replace(old, new, 1))[-1]
    assert not last.holds
    assert not last.problem


@table(
    ("said", "holds"),
    [
        ("search ... cluster.local", True),
        ("search ...", True),
        ("...", True),
        ("search  shop.svc.cluster.local svc.cluster.local   cluster.local", True),
        ("search ... cluster.locals", False),
        ("... shop.svc", False),
        ("search shop.svc.cluster.local", False),
    ],
)
def test_dots_stand_for_anything_and_blanks_for_blanks(said: str, holds: bool) -> None:
    text = f"pod shop/client\ncat shop/client\n  {said}\n  ...\n  ...\n"
    assert played(text)[-1].holds is holds


def test_every_scenario_has_a_stage_of_its_own() -> None:
    played("service shop/web port http:80\n")
    assert shown("pod shop/client\nquery shop/client web.shop.svc.cluster.local A")[0] == "NXDOMAIN aa"


@pytest.mark.slow
def test_it_is_the_same_every_time() -> None:
    text = HOLDS + "scale coredns 3\nservers\nlose reply A\nresolve shop/client web\n"
    assert [each.shown for each in played(text)] == [each.shown for each in played(text)]


# -- what cannot be carried out


@pytest.mark.slow
@table(
    ("line", "said"),
    [
        ("frobnicate", "frobnicate"),
        ("pod", "pod NAMESPACE/NAME"),
        ("pod a/b colour red", "colour"),
        ("pod a/b policy Sometimes", "Unsupported value"),
        ("service a/b port x", "port x"),
        ("apply\n  - 1", "manifest"),
        ("delete Service a/b", 'services "b" not found'),
        ("delete Nonsense a/b", "Nonsense"),
        ("scale coredns many", "scale"),
        ("scale coredns 99999999", "99999999"),
        ("scale nobody 1", "not found"),
        ("outside example.org", "outside"),
        ("outside example.org A not-an-address", "not-an-address: the data"),
        ("break web", "web"),
        ("mend web", "web"),
        ("lose nothing A", "nothing"),
        ("wait", "wait SECONDS"),
        ("resolve a/b", "resolve"),
        ("resolve a/b web", 'pods "b" not found'),
        ("query kube-system/none example.org BOGUS", "BOGUS"),
        ("cat a/b", 'pods "b" not found'),
        ("route a/b", "route"),
        ("why", "why NAME TYPE"),
        ("node\n  nameserver", "nameserver"),
    ],
)  # fmt: skip
def test_problems_are_told_and_end_it(line: str, said: str) -> None:
    *_, last = played(f"{line}\nservers\n")
    assert said in last.problem
    assert last.step.command == line.splitlines()[0]
    assert not last.holds


BROKEN = """\
apply
  apiVersion: v1
  kind: ConfigMap
  metadata: {name: coredns, namespace: kube-system}
  data: {Corefile: ".:53 {\\n  nonsense\\n}\\n"}
crash at kube-dns
query app kubernetes.default.svc.cluster.local A
clear
wait 2 s
servers
"""


def test_a_broken_corefile_of_the_config_map_ends_a_server_at_its_next_start() -> None:
    first, second = shown(BROKEN)
    assert first.startswith("kube-dns 10.244.0.2 ended: ")
    assert "nonsense" in first
    assert second == "kube-dns-2 10.244.0.3 ready"


WORDS = {
    "pod": "shop/b",
    "service": "shop/b port 80",
    "delete": "Pod default/app",
    "scale": "coredns 2",
    "outside": "example.org A 192.0.2.1",
    "break": "api",
    "forbid": "endpointslices",
    "mend": "api",
    "lose": "query A",
    "delay": "1ms link app>node",
    "duplicate": "link app>node",
    "reorder": "link app>node",
    "partition": "link app>node",
    "intercept": "link app>node by kube-dns",
    "servfail": "at kube-dns",
    "answer": "REFUSED at kube-dns",
    "truncate": "at kube-dns",
    "shorten": "at kube-dns",
    "garble": "at kube-dns",
    "lie": "at kube-dns",
    "deny": "5s at kube-dns",
    "stop": "at kube-dns",
    "crash": "at kube-dns",
    "oom": "at kube-dns",
    "unready": "at kube-dns",
    "miss": "at kube-dns",
    "release": "kube-dns 1.11.3",
    "reload": "kube-dns",
    "proxy": "race 1/2",
    "wait": "1 s",
    "resolve": "app kubernetes.default",
    "query": "app kubernetes.default A",
    "count": "2 app kubernetes.default",
    "cat": "app",
    "route": "app 10.96.0.10",
    "why": "kubernetes.default.svc.cluster.local A",
}
"""Valid words of every command that needs any."""
LINES = {"apply": "\n  kind: Namespace\n  apiVersion: v1\n  metadata: {name: a}",
         "corefile": "\n  . {\n    whoami\n  }", "node": "\n  nameserver 192.0.2.53"}  # fmt: skip
PYTHON = re.compile(
    r"unicode string|Expected `|parsing a|unpack|invalid literal|could not convert|list index|object is not|NoneType|[A-Za-z]Error"
)


def problem(line: str) -> str:
    """Return the message about a line, which must name the usage and no Python."""
    *_, last = played(f"{line}\n")
    assert not PYTHON.search(last.problem), last.problem
    return last.problem


@pytest.mark.slow
@pytest.mark.parametrize("verb", COMMANDS)
def test_every_command_works_and_refuses_surplus_and_missing_words(verb: str) -> None:
    words, lines = WORDS.get(verb, ""), LINES.get(verb, "")
    assert not problem(f"{verb} {words}{lines}")
    surplus = problem(f"{verb} {words} zebra=1 zebra=2 zebra=3{lines}")
    assert "zebra" in surplus or verb in ("outside", "resolve", "clear")
    assert "usage: " in surplus or verb in ("outside", "clear")
    for count in range(len(words.split())):
        if (verb, count) == ("service", 1):
            continue  # a Service needs a port, says the API
        fewer = " ".join(words.split()[:count])
        assert f"usage: {verb}" in problem(f"{verb} {fewer}{lines}")


@pytest.mark.slow
@table("verb", COMMANDS)
def test_lines_below_a_command_that_takes_none_are_refused(verb: str) -> None:
    if COMMANDS[verb].takes_lines:
        assert "usage" in problem(verb)  # and a command that takes some needs them
    elif verb in setup_words.COMMANDS:
        assert "zebra" in problem(f"{verb} {WORDS.get(verb, '')}\n  zebra")


@pytest.mark.slow
@table(
    ("line", "word"),
    [
        ("pod a/b/c", "a/b/c"),
        ("pod shop/", "shop/"),
        ("pod a/b ip nowhere", "nowhere"),
        ("pod a/b labels app", "app"),
        ("pod a/b ready maybe", "maybe"),
        ("pod a/b policy", "policy"),
        ("service a/b select x", "x"),
        ("scale coredns -1", "-1"),
        ("scale coredns 1.5", "1.5"),
        ("delete pod default/app", "pod"),
        ("outside example.org BOGUS 192.0.2.1", "BOGUS"),
        ("lose query BOGUS", "BOGUS"),
        ("lose query A often", "often"),
        ("lose query A 0", "0"),
        ("lose link app>nowhere", "nowhere"),
        ("lose at nowhere", "nowhere"),
        ("intercept link app>node by nowhere", "nowhere"),
        ("intercept link app>node by pods", "pods"),
        ("lose at pods", "pods"),
        ("lose at services", "services"),
        ("deny 5s at app", "app"),
        ("stop at api", "api"),
        ("unready at node", "node"),
        ("crash at outside", "outside"),
        ("oom at 192.0.2.53", "192.0.2.53"),
        ("miss at outside", "outside"),
        ("release kube-dns 1.2", "1.2"),
        ("release web 1.11.3", "web"),
        ("corefile web\n  . {\n    whoami\n  }", "web"),
        ("clear lose link app>node", "lose link app>node"),
        ("proxy race often", "often"),
        ("proxy lag 5", "5"),
        ("proxy stale maybe", "maybe"),
        ("proxy conntrack 0", "0"),
        ("proxy conntrack", "VALUE"),
        ("proxy race 1/2 lag", "lag"),
        ("wait five s", "five"),
        ("wait -1 s", "-1"),
        ("wait 5 min", "min"),
        ("resolve app kubernetes BOGUS", "BOGUS"),
        ("route app 10.96.0", "10.96.0"),
        ("route app:x 10.96.0.10", "x"),
        ("why example.org BOGUS", "BOGUS"),
        ("corefile\n  . {\n    bogus\n  }", "bogus"),
        ("corefile kube-dns\n  . {\n    cache {\n      zebra\n    }\n  }", "zebra"),
        ("scale zebra 3", "zebra"),
        ("resolve zebra x", "zebra"),
        ("query app:40000", "NAME"),
        ("service a/b port 80 ip banana", "banana"),
        ("service a/b port 80 affinity zebra", "zebra"),
        ("service a/b port 80 traffic zebra", "zebra"),
        ("service a/b port 99999", "99999"),
        ("service a/b port 80 traffic Local traffic Cluster", "traffic"),
        ("service a/b external -x", "-x"),
        ("pod a/b policy Zebra", "Zebra"),
        ("pod a/b policy Default policy None", "policy"),
        ("pod a/b nameserver zebra", "zebra"),
        ("pod a/b option zebra", "zebra"),
        ("pod a/b option ndots:x", "ndots:x"),
        ("pod a/B", "B"),
        ("delete Service zebra", "zebra"),
        ("route app:99999 10.96.0.10", "99999"),
        ("route app: 10.96.0.10", "nothing"),
        ("node\n  zebra 192.0.2.1", "line 1 of the resolv.conf: zebra"),
        ("node\n  search a\n  nameserver zebra", "line 2 of the resolv.conf: zebra"),
        ("node\n  nameserver 192.0.2.1 192.0.2.2", "192.0.2.2 is surplus"),
        ("node\n  nameserver", "nameserver needs"),
        ("node\n  options ndots:1 zebra", "zebra"),
        ("node\n  options timeout", "timeout"),
        ("node\n  search a..b", "a..b"),
        ("lose 0/5 link app>node", "0/5"),
        ("lose 0% at kube-dns", "0%"),
        ("lose link app>app", "app to app"),
        ("lose link app<>dnsutils", "app to dnsutils"),
        ("lose link node<>node", "node to node"),
        ("lose link app>node size>65535", "size>65535"),
        ("lose link app>node size>9 size<5", "size<5"),
        ("delay 0s link app>node", "0s"),
        ("deny 0s at kube-dns", "0s"),
        ("intercept link app>node by kube-dns cache 0s", "0s"),
        ("lose at kube-dns name a..b", "a..b"),
        ("proxy race 1/2 race 1/3", "race"),
        ("outside a..b A 192.0.2.1", "a..b"),
        ("outside \u00e9 A 192.0.2.1", "\u00e9"),
        ("query app a..b A", "a..b"),
        ("why \u00e9 A", "\u00e9"),
        ("apply\n  kind: Service\n  metadata: {name: a", "line 3 of the manifest"),
        ("apply\n  a: b: c", "line 1 of the manifest"),
        ("apply\n  kind: Service\n  metadata: {name: a, name: b}", "line 2 of the manifest: the key name"),
        (
            "apply\n  kind: Service\n  apiVersion: v1\n  metadata: {name: a}\n  spec:\n    ports: zebra",
            "line 5 of the manifest: ",
        ),
        ("apply\n  kind: Zebra\n  apiVersion: v1\n  metadata: {name: a}", "Zebra"),
        (
            "apply\n  kind: Service\n  apiVersion: v1\n  metadata: {name: a}\n  spec:\n    clusterIP: zebra\n"
            "    ports: [{port: 80}]",
            "zebra",
        ),
    ],
)
def test_wrong_words_are_named_with_the_usage(line: str, word: str) -> None:
    message = problem(line)
    assert word in message
    assert "usage: " in message


# -- faults

LOOKUP = "resolve app kubernetes.default.svc.cluster.local. A\n"
NO_REPLY = "error EAI_AGAIN (no reply)"


@pytest.mark.slow
@table(
    ("fault", "expected"),
    [
        pytest.param("partition link app<>node", [NO_REPLY], id="pod-node"),
        pytest.param("lose link dns>node", [NO_REPLY], id="only-replies"),
        pytest.param("lose link dns>node tcp", ["got 10.96.0.1"], id="only-tcp"),
        pytest.param("lose link dns>node size>512", ["got 10.96.0.1"], id="only-large"),
        pytest.param("lose at kube-dns", [NO_REPLY], id="server-drops"),
        pytest.param("lose at kube-dns-2", ["got 10.96.0.1"], id="another-server"),
        pytest.param("stop at kube-dns", [NO_REPLY], id="server-stops"),
        pytest.param("servfail at kube-dns", ["error EAI_AGAIN (SERVFAIL)"], id="servfail"),
        pytest.param("delay 200ms link app>node", ["got 10.96.0.1", "took 0.2 s"], id="slow-link"),
        pytest.param("delay 2s at kube-dns", ["got 10.96.0.1", "took 2 s"], id="slow-server"),
        pytest.param("crash 1/1 at kube-dns", [NO_REPLY], id="crash"),
        pytest.param("answer REFUSED at kube-dns", ["error EAI_AGAIN (REFUSED)"], id="rcode"),
        pytest.param("answer NXDOMAIN at kube-dns type A", ["error EAI_NONAME"], id="denial"),
        pytest.param("servfail at kube-dns type AAAA", ["got 10.96.0.1"], id="another-type"),
        pytest.param("servfail at kube-dns name example.org", ["got 10.96.0.1"], id="another-name"),
        pytest.param("servfail at kube-dns tcp", ["got 10.96.0.1"], id="another-way"),
        pytest.param("lie at kube-dns", ["got 198.51.100.66"], id="wrong-address"),
        pytest.param("shorten at kube-dns", ["error EAI_NODATA"], id="without-tc"),
        pytest.param("truncate at kube-dns", ["got 10.96.0.1"], id="truncated"),
        pytest.param("garble at kube-dns", [NO_REPLY], id="malformed"),
        pytest.param("intercept link app>node by outside", ["error EAI_NONAME"], id="intercepted"),
        pytest.param("lose link app>node second", ["got 10.96.0.1"], id="no-second"),
        pytest.param("lose link pods>10.96.0.10", [NO_REPLY], id="a-service"),
        pytest.param("lose link pods>10.96.0.20", ["got 10.96.0.1"], id="other-service"),
        pytest.param("lose link pods>services", [NO_REPLY], id="any-service"),
        pytest.param("partition 1/1 link app>node", [NO_REPLY], id="every-flow"),
        pytest.param("duplicate link app<>node", ["got 10.96.0.1"], id="duplicates"),
        pytest.param("reorder link app<>node", ["got 10.96.0.1"], id="reordered"),
    ],
)
def test_a_fault_shows_its_symptom_and_none_does_when_it_is_cleared(fault: str, expected: list[str]) -> None:
    lines = [line for line in shown(f"{fault}\n{LOOKUP}") if "ask" not in line]
    assert [line for line in lines if line not in ("took 10 s", "took 5 s")] == expected
    mended = shown(f"{fault}\n{LOOKUP}clear\nmend kube-dns\nwait 12 s\n{LOOKUP}")
    assert mended[-1] == "got 10.96.0.1"


def test_an_upstream_can_be_cut_off_and_lie() -> None:
    text = "outside a.example A 192.0.2.7\n{}\nresolve app a.example. A\n"
    assert shown(text.format("servfail at outside"))[-1].startswith("error EAI_AGAIN")
    cut = shown(text.format("partition link dns<>outside"))
    assert any(line.startswith("error EAI_AGAIN") for line in cut)


@pytest.mark.slow
def test_the_race_of_two_packets_costs_five_seconds() -> None:
    text = "scale coredns 8\nproxy race {}\nresolve app kubernetes.default.svc.cluster.local.\n"
    lines = shown(text.format("1/1"))
    assert any("AAAA -> no reply" in line for line in lines)
    assert any("after 5 s" in line for line in lines)
    assert lines[-2:] == ["got 10.96.0.1", "took 5 s"]
    assert shown(text.format("0/1"))[-1] == "got 10.96.0.1"


def test_pods_of_another_node_are_behind_the_link_between_nodes() -> None:
    far = "pod shop/far node node-9\npartition link node-9<>node-1\n"
    assert shown(f"{far}resolve shop/far kubernetes.default. A\n")[-2] == NO_REPLY
    assert shown(f"{far}{LOOKUP}")[-1] == "got 10.96.0.1"


# -- the command


def run(tmp_path: Path, text: str, *, print_actual: bool = False) -> tuple[int, str]:
    file, out = tmp_path / "story.txt", io.StringIO()
    file.write_text(text)
    show = scenario.Show.ACTUAL if print_actual else scenario.Show.RESULT
    status = scenario.main([str(file)], out, show)
    return status, out.getvalue().replace(str(file), "story.txt")


def test_the_command_says_ok(tmp_path: Path) -> None:
    assert run(tmp_path, HOLDS) == (0, "ok story.txt:1, 3 steps\n")


def test_the_command_says_what_differs(tmp_path: Path) -> None:
    status, out = run(tmp_path, "pod shop/client policy Default\ncat shop/client\n")
    assert status == 1
    assert out == ("story.txt:2: cat shop/client\n  expected:\n    (nothing)\n  actual:\n    nameserver 192.0.2.53\n")


def test_the_command_says_what_cannot_be(tmp_path: Path) -> None:
    status, out = run(tmp_path, "mend\n")
    assert status == 1
    assert out.startswith("story.txt:1: mend\n  ")
    assert "usage: mend api|tcp|outside|SERVICE" in out


def test_printed_it_says_what_happens(tmp_path: Path) -> None:
    status, out = run(tmp_path, HOLDS.replace("10.96.7.7", "10.96.7.9"), print_actual=True)
    assert status == 0
    assert "  got 10.96.7.9\n" in out
    assert all(each.holds for each in played(out))


def test_printed_what_belongs_to_a_command_stays(tmp_path: Path) -> None:
    text = "apply\n  kind: Namespace\n  apiVersion: v1\n  metadata:\n    name: a\n"
    assert run(tmp_path, text, print_actual=True)[1].rstrip("\n") + "\n" == text


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "story.txt"
    file.write_text("pod a/b policy Default\ncat a/b\n")
    assert main(["run", str(file)]) == 1
    assert main(["run", "--print", str(file)]) == 0
    assert capsys.readouterr().out.endswith("cat a/b\n  nameserver 192.0.2.53\n\n")


def test_files_that_cannot_be_read_are_named_without_python(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noise = tmp_path / "noise.txt"
    noise.write_bytes(b"\xff\xfe")
    for path in (tmp_path / "none.txt", tmp_path, noise):
        assert main(["run", str(path)]) == 1
        message = capsys.readouterr().err
        assert path == noise or str(path) in message
        assert not re.search(r"Errno|codec|Traceback", message)


@table("option", ["--seeds", "--from", "--jobs"])
@table("word", ["0", "-1", "x", "1.5", "\u0663"])
def test_numbers_are_checked(capsys: pytest.CaptureFixture[str], option: str, word: str) -> None:
    with pytest.raises(SystemExit):
        main(["explore", f"{option}={word}"])
    assert "_count" not in capsys.readouterr().err


# -- the page about it


@table(
    ("text", "status", "said"),
    [
        pytest.param(("servers\n", None), 0, "no scenario in ", id="a page without one, among others"),
        pytest.param((None, None), 1, "no scenario: ", id="none has any"),
        pytest.param((None,), 1, "no scenario: ", id="the only page"),
    ],
)
def test_pages_without_a_scenario(
    text: tuple[str | None, ...], status: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = []
    for number, commands in enumerate(text):
        files.append(str(tmp_path / f"{number}.md"))
        Path(files[-1]).write_text("# Title\n" + ("```scenario\npod a/b\n```\n" if commands else ""))
    assert main(["run", *files]) == status
    output = capsys.readouterr()
    assert said in output.out + output.err


@table(
    ("fence", "said"),
    [
        pytest.param("```scenario later\npod a/b\n```\n", "later", id="another word"),
        pytest.param("```scenario\npod a/b\n", "no end", id="no end"),
        pytest.param("```scenario continued\npod a/b\n```\n", "continue", id="nothing before it"),
    ],
)
def test_wrong_fences_are_named(fence: str, said: str) -> None:
    with pytest.raises(ValueError, match=rf"page\.md:.*{said}"):
        list(scenarios(f"text\n{fence}", "page.md"))


def test_the_page_names_every_command_as_it_is() -> None:
    page = (DOCS / "scenarios.md").read_text()
    said = dict(re.findall(r"^\| `(.+?)` \| (.+?) \|$", page, re.MULTILINE))
    assert said == {
        f"{verb} {command.usage}".rstrip().replace("|", r"\|"): command.description
        for verb, command in COMMANDS.items()
    }


def test_the_page_uses_every_command() -> None:
    page = (DOCS / "scenarios.md").read_text()
    used = {step.command.split()[0] for each in scenarios(page, "scenarios.md") for step in each.steps}
    assert used == COMMANDS.keys()


@pytest.mark.parametrize(
    "entered",
    [pytest.param("\n\n", id="a line for each command"), pytest.param("", id="no input: it is played without a stop")],
)
def test_stepping_shows_each_command_before_its_output(entered: str, tmp_path: Path) -> None:
    file = tmp_path / "one"
    file.write_text("pod shop/cart\ncat app\n  nameserver 10.96.0.10\n")
    keys_out, keys = io.StringIO(), io.StringIO(entered)
    scenario.main([str(file)], keys_out, watch=stepping(keys, keys_out))
    lines = keys_out.getvalue().splitlines()
    assert lines[:2] == ["1: pod shop/cart", "2: cat app"]
    assert "  nameserver 10.96.0.10" in lines
    assert keys.read() == ""
