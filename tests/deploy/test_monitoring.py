"""deploy/monitoring: what it reads is there, and what it says is well-formed."""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.message
import pytest
import yaml

from minidns.kubernetes.audit import Auditor
from minidns.metrics.registry import Metrics
from tests import process
from tests.deploy import promql, rendered
from tests.deploy.rendered import DEPLOY, Json, the
from tests.server.resolvers import Resolver, say_nothing
from tests.table import table
from tests.test_metrics import look
from tests.world import World

HERE = DEPLOY / "monitoring"
TARGET = {"job", "instance", "namespace", "pod", "service", "endpoint", "container"}
"""Labels that Prometheus gives to everything of a target."""
JOB = "kube-dns-2"
DASHBOARD: Json = json.loads((HERE / "dashboard.json").read_text())
GROUPS: list[Json] = yaml.safe_load((HERE / "rules.yaml").read_text())["groups"]
RULES: list[Json] = [rule for group in GROUPS for rule in group["rules"]]
Series = dict[str, list[dict[str, str]]]
"""The labels of each sample, by the name in a scrape."""


def panels() -> list[Json]:
    return [each for each in DASHBOARD["panels"] if each["type"] != "row"]


def expressions() -> Iterator[tuple[str, str]]:
    """Yield every expression, with where it stands."""
    for rule in RULES:
        yield f"rule {rule['alert']}", rule["expr"]
    for panel in panels():
        for target in panel["targets"]:
            yield f"panel {panel['title']} {target['refId']}", target["expr"]


EXPRESSIONS = [pytest.param(expr, id=where) for where, expr in expressions()]
each_expression = pytest.mark.parametrize("expr", EXPRESSIONS)
each_rule = pytest.mark.parametrize(
    "rule", RULES, ids=[f"{rule['alert']}-{rule['labels']['severity']}" for rule in RULES]
)


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Series:
    """Return the samples of real processes, and what Prometheus adds."""
    seen = asyncio.run(look(tmp_path_factory.mktemp("scrape")))
    found: Series = {"up": [{}]}
    for family in seen.reloaded.values():
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    found |= asyncio.run(overwhelmed(tmp_path_factory.mktemp("drops")))
    return found | auditing()


async def overwhelmed(folder: Path) -> Series:
    """Return what is counted when more queries wait than may."""
    ports = [process.free_port() for _ in range(2)]
    async with Resolver(say_nothing) as silent:
        text = f".:{ports[0]} {{\n bind 127.0.0.1\n prometheus 127.0.0.1:{ports[1]}\n forward . {silent}\n}}\n"
        (folder / "Corefile").write_text(text)
        arguments = ("-conf", str(folder / "Corefile"), "-explain", "off")
        async with process.minidns(*arguments):
            await process.until_answering(ports[1], "/metrics")
            name = "minidns_dropped_queries_total"
            while name not in (page := (await process.http(ports[1], "/metrics"))[1]):
                await ask_much(ports[0])
    labels = re.findall(rf"^{name}\{{(.*)\}}", page, re.MULTILINE)
    return {name: [dict(re.findall(r'(\w+)="([^"]*)"', each)) for each in labels]}


async def ask_much(port: int) -> None:
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=("127.0.0.1", port))
    for number in range(500):
        query = dns.message.make_query(f"{number}.example.org.", "A")
        transport.sendto(query.to_wire())
    transport.close()
    loop.call_soon(ended.set_result, None)
    await ended


def auditing() -> Series:
    """Return the families of audits, which find something only when all else failed."""
    world, metrics = World(), Metrics()
    edges = world.edges
    Auditor(
        lambda: (),
        lambda resource: None,  # type: ignore[arg-type,return-value]  # nothing is listed
        metrics,
        sleep=edges.sleep,
        random=edges.random,
    )
    return {family.name: [dict.fromkeys(family.labels, "")] for family in metrics.families()}


@pytest.mark.slow
@each_expression
def test_every_metric_and_label_is_in_a_scrape(expr: str, scraped: Series) -> None:
    read = promql.read(expr)
    assert read.selected
    known = set(TARGET)
    for metric, matchers in read.selected:
        assert metric in scraped
        for label, op, value in matchers:
            if label in TARGET:
                continue
            values = {sample.get(label) for sample in scraped[metric]}
            assert values - {None}, f"{metric} has no label {label}"
            if op == "=":
                assert value in values
        known |= {label for sample in scraped[metric] for label in sample}
    assert read.grouped <= known


@each_rule
def test_rules_are_about_this_job_alone(rule: Json) -> None:
    for metric, matchers in promql.read(rule["expr"]).selected:
        assert ("job", "=", JOB) in matchers, metric


@table("panel", panels(), ids=lambda panel: panel["title"])
def test_panels_follow_the_chosen_job(panel: Json) -> None:
    for target in panel["targets"]:
        for metric, matchers in promql.read(target["expr"]).selected:
            assert ("job", "=~", "$job") in matchers, metric
            assert ("instance", "=~", "$instance") in matchers, metric


@table(
    ("expr", "metrics", "grouped"),
    [
        ('up{job="x"} == 0', [("up", ("job",))], set()),
        ("sum by (a, b) (rate(m_total[5m])) > 1", [("m_total", ())], {"a", "b"}),
        ('m{a=~"x{y}",b!="z"} / on (c) n', [("m", ("a", "b")), ("n", ())], {"c"}),
        ("absent(m) or 0 * n", [("m", ()), ("n", ())], set()),
    ],
)
def test_expressions_are_read(expr: str, metrics: list[tuple[str, tuple[str, ...]]], grouped: set[str]) -> None:
    read = promql.read(expr)
    found = [(name, tuple(m.label for m in given)) for name, given in read.selected]
    assert found == metrics
    assert read.grouped == grouped


def test_what_is_no_expression() -> None:
    with pytest.raises(ValueError, match="not PromQL at"):
        promql.read("up{job=`x`}")


@each_rule
def test_rules_say_who_is_meant_and_how_bad_it_is(rule: Json) -> None:
    assert set(rule["annotations"]) == {"summary", "description"}
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert rule["annotations"]["summary"].endswith(".")
    named = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["description"]))
    read = promql.read(rule["expr"])
    kept = read.grouped if read.grouped else TARGET | {"resource"}
    assert named <= kept, "the sum has no such label"


def test_every_alert_is_told_of_in_the_documentation() -> None:
    page = (DEPLOY.parent / "docs/monitoring.md").read_text()
    told = re.findall(r"^\| `(KubeDns2\w+)` \|", page, re.MULTILINE)
    assert told == list(dict.fromkeys(rule["alert"] for rule in RULES))


def test_the_operators_rules_are_the_same() -> None:
    rule = yaml.safe_load((HERE / "prometheusrule.yaml").read_text())
    assert rule["spec"] == {"groups": GROUPS}


def test_panels_have_an_id_and_a_place_of_their_own() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells), "panels overlap"
    assert max(x for x, _ in cells) < 24


def test_the_dashboard_has_the_variables_it_uses() -> None:
    text = json.dumps(DASHBOARD["panels"])
    used = set(re.findall(r"\$\{?([a-z_]\w*)", text)) - {"__rate_interval"}
    made = {each["name"] for each in DASHBOARD["templating"]["list"]}
    assert used == made == {"datasource", "job", "instance"}
    (job,) = (e for e in DASHBOARD["templating"]["list"] if e["name"] == "job")
    assert job["current"]["value"] == [JOB]


def test_every_panel_asks_the_chosen_source() -> None:
    for panel in panels():
        for asked in (panel, *panel["targets"]):
            assert asked["datasource"]["uid"] == "${datasource}"
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs)


def monitor(kind: str) -> tuple[Json, Json]:
    """Return a monitor, and its one endpoint."""
    found = yaml.safe_load((HERE / f"{kind}.yaml").read_text())
    key = {"servicemonitor": "endpoints", "podmonitor": "podMetricsEndpoints"}[kind]
    (endpoint,) = found["spec"][key]
    return found, endpoint


@pytest.mark.kubectl
@pytest.mark.skipif(rendered.kubectl() is None, reason="kubectl is missing")
def test_monitors_find_what_the_overlays_make() -> None:
    own, service = {"k8s-app": JOB}, the("kube-dns-2", "Service")
    pod = the("kube-dns-2", "Deployment")["spec"]["template"]
    found, endpoint = monitor("servicemonitor")
    assert found["spec"]["selector"] == {"matchLabels": own}
    assert own.items() <= service["metadata"]["labels"].items()
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert service["metadata"]["name"] == JOB  # which is the job, without a jobLabel
    assert "jobLabel" not in found["spec"]
    found, endpoint = monitor("podmonitor")
    assert found["spec"]["selector"] == {"matchLabels": own}
    assert own.items() <= pod["metadata"]["labels"].items()
    (container,) = pod["spec"]["containers"]
    assert endpoint["port"] in {port["name"] for port in container["ports"]}
    assert endpoint["relabelings"] == [{"targetLabel": "job", "replacement": JOB}]


@pytest.mark.skipif(rendered.helm() is None, reason="helm is missing")
def test_the_chart_makes_the_same_service_monitor() -> None:
    options = ("serviceMonitor.create=true", "serviceMonitor.labels.release=prometheus")
    made = rendered.by_helm("kube-dns-2", *(f"--set={option}" for option in options))
    kept = {obj["kind"]: obj for obj in yaml.safe_load_all(made) if obj}
    found, _ = monitor("servicemonitor")
    assert kept["ServiceMonitor"]["spec"] == found["spec"]
    labels = kept["ServiceMonitor"]["metadata"]["labels"]
    assert labels.items() >= (found["metadata"]["labels"] | {"release": "prometheus"}).items()


@pytest.mark.slow
@pytest.mark.kubectl
@pytest.mark.skipif(rendered.kubectl() is None, reason="kubectl is missing")
def test_the_component_goes_into_an_overlay(tmp_path: Path) -> None:
    shutil.copytree(DEPLOY, tmp_path / "deploy", ignore=shutil.ignore_patterns("image"))
    base = "minidns/second_dns/base"  # the overlays are made of it
    shutil.copytree(DEPLOY.parent / base, tmp_path / base)
    overlay = tmp_path / "deploy/overlays/mine"
    overlay.mkdir()
    (overlay / "kustomization.yaml").write_text(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
        "resources: [../kube-dns-2]\ncomponents: [../../monitoring]\n"
    )
    plain = kinds(str(DEPLOY / "overlays/kube-dns-2"))
    more = ["ConfigMap", "PrometheusRule", "ServiceMonitor"]
    assert kinds(str(overlay)) == sorted(plain + more)
    assert kinds(str(HERE)) == more  # and by itself


def kinds(folder: str) -> list[str]:
    done = subprocess.run([str(rendered.kubectl()), "kustomize", folder], capture_output=True, text=True, check=True)
    made: list[Any] = list(yaml.safe_load_all(done.stdout))
    for obj in made:
        assert obj["metadata"]["namespace"] == "kube-system"
        if obj["kind"] == "ConfigMap":
            assert json.loads(obj["data"]["dashboard.json"]) == DASHBOARD
    return sorted(obj["kind"] for obj in made)


promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is missing")


@promtool
@pytest.mark.parametrize("arguments", [["check", "rules", "rules.yaml"], ["test", "rules", "rules_test.yaml"]])
def test_promtool_agrees(arguments: list[str]) -> None:
    folder = {"rules.yaml": HERE, "rules_test.yaml": Path(__file__).parent}
    done = subprocess.run(
        ["promtool", *arguments], cwd=folder[arguments[-1]], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@promtool
def test_promtool_reads_the_dashboard(tmp_path: Path) -> None:
    rules = [
        {"record": f"x{number}", "expr": expr.replace("[$__rate_interval]", "[5m]")}
        for number, (_, expr) in enumerate(expressions())
    ]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "x", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
