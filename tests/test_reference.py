"""Pages that describe minidns as a whole, beside what it is: Corefile, flags, metrics."""

import re
from pathlib import Path

import pytest

from minidns import plugins
from minidns.corefile.blocks import ConfigError
from minidns.plugins.shadow.found import Found
from minidns.plugins.spec import Traits
from minidns.server.workers.supervisor import Supervisor
from tests import cli_page, plugin_pages, process
from tests.plugins.test_prometheus_families import COUNTERS, GAUGES, HISTOGRAMS
from tests.serving import serving
from tests.table import table
from tests.test_metrics import AT_ONCE, FAMILIES, PROCESS
from tests.whole import whole
from tests.world import World

ROOT = Path(__file__).parents[1]
COREFILE, CLI, METRICS = ((ROOT / f"docs/{name}.md").read_text() for name in ("corefile", "cli", "metrics"))

# -- corefile.md


def listed(fence: str) -> list[str]:
    """Return the words in a fenced block of the page about the Corefile."""
    (text,) = re.findall(rf"^```{fence}\n(.*?)^```", COREFILE, re.MULTILINE | re.DOTALL)
    return str(text).split()


def test_the_lists_of_plugins_are_those_of_the_registry() -> None:
    assert plugin_pages.renewed_lists(COREFILE) == COREFILE, "python -m tests.plugin_pages renews them"


@table("name", listed("ignored"))
def test_ignored(name: str) -> None:
    assert plugins.has_trait(name, Traits.ACCEPTED_ONLY)


@table("name", listed("refused"))
async def test_refused(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        async with whole(f". {{\n{name}\n}}\n"):
            pass
    assert str(caught.value) == f"plugin/{name}: not supported by minidns"


# -- cli.md


def section(heading: str) -> str:
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", CLI, re.M | re.S)
    assert found, f"docs/cli.md has no section {heading}"
    return found[1]


def test_the_tables_are_those_of_the_parsers() -> None:
    assert cli_page.renewed(CLI) == CLI, "python -m tests.cli_page renews them"


@pytest.mark.slow
@table("command", cli_page.parsers())
def test_every_flag_is_described(command: str) -> None:
    text = section(command)
    for action in cli_page.parsers()[command][1]._actions:
        for word in action.option_strings if action.help != "==SUPPRESS==" else ():
            assert f"`{word}" in text


def test_no_command_is_described_that_is_not_there() -> None:
    headings = re.findall(r"^## (minidns.*)$", CLI, re.M)
    assert sorted(headings) == sorted(cli_page.parsers())


@pytest.mark.slow
async def test_what_check_prints_is_what_the_page_says(tmp_path: Path) -> None:
    good, bad = re.findall(r"^```\n(.*?)^```", section("minidns check"), re.M | re.S)
    path = tmp_path / "Corefile"
    path.write_text(".:1053 {\n    errors\n    log\n    cache 30\n    forward . 192.0.2.53\n}\n")
    status, out, _ = await process.run("check", cwd=tmp_path)
    assert (status, out) == (0, good)
    path.write_text(".:1053 {\n    forwrd . 192.0.2.53\n}\n")
    status, _, err = await process.run("check", cwd=tmp_path)
    assert (status, err) == (1, bad)


# -- metrics.md

ROWS = {
    name: (kind, labels.split(", ") if labels else [])
    for name, kind, labels in re.findall(r"^\| `(\w+)` \| ([\w, ]+?) \| ([\w, ]*?) ?\| ", METRICS, re.MULTILINE)
}
KNOWN = {
    **{f"coredns_{name}_total": ("counter", labels) for name, labels in COUNTERS.items()},
    **{f"coredns_{name}": ("gauge", labels) for name, labels in GAUGES.items()},
    **{f"coredns_{name}": ("histogram", labels) for name, (labels, _) in HISTOGRAMS.items()},
    **{
        f"coredns_{name}{'_total' if kind == 'counter' else ''}": (kind, labels)
        for name, (kind, labels, _) in FAMILIES.items()
    },
    "coredns_shed_dropped_total": ("counter", "server reason"),
    "coredns_autopath_success_total": ("counter", "server"),
}


@table("name", KNOWN)
def test_a_metric_is_described(name: str) -> None:
    kind, labels = ROWS[name]
    assert kind.split(",")[0].split()[0] == KNOWN[name][0]
    assert set(labels) == set(KNOWN[name][1].split())
    bare = name.removeprefix("coredns_").removesuffix("_total")
    is_there = bare in AT_ONCE or bare == "health_request_duration_seconds"
    assert kind.endswith(", 0") == is_there


def test_no_other_is() -> None:
    assert {name for name in ROWS if name.startswith("coredns_")} == set(KNOWN)


async def test_those_of_our_own_and_of_the_process_are() -> None:
    world = World()
    async with serving(".:0 {\n    bind 127.0.0.1\n    whoami\n}\n", world, port=0):
        Supervisor(world.edges, world.metrics, "text")  # as multisocket has it
        Found(1, world.metrics)  # as shadow has it
        names = {family.name for family in world.metrics.families()}
    ours = {name for name in names if name.startswith("minidns_")}
    assert {name for name in ROWS if name.startswith("minidns_")} == ours
    for name in PROCESS:
        assert f"`process_{name}" in METRICS


def test_rules_name_metrics_that_there_are() -> None:
    (*rules,) = re.findall(r"^```promql\n(.*?)^```", METRICS, re.MULTILINE | re.DOTALL)
    used = set(re.findall(r"\b(?:coredns|minidns)_\w+", "".join(rules)))
    assert len(rules) == 2
    for name in used:
        assert re.sub(r"_(bucket|count|sum)$", "", name) in ROWS
