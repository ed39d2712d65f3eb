"""A simulated CoreDNS has none of minidns's own behaviour, unless it is written."""

from minidns.corefile import blocks
from sim.node.coredns import as_coredns
from sim.node.kind_corefile import KIND
from sim.node.replica import Files
from sim.scenario.play import Scenario, play, steps
from tests.table import table


@table("corefile", [KIND, ".:53 {\n    kubernetes cluster.local\n}\n", ".:53 {\n  whoami\n}\n"])
def test_other_lines_stay(corefile: str) -> None:
    adapted = as_coredns(corefile)
    kept = [line.rstrip(" {") for line in corefile.splitlines() if line.strip("{} ")]
    assert [line for line in kept if line not in adapted] == []
    blocks.parse(adapted, files=Files({}), environ={})


def test_an_endpoint_that_has_gone_answers_for_a_moment_from_minidns_only() -> None:
    text = """\
apply
  apiVersion: v1
  kind: Service
  metadata: {name: db, namespace: default}
  spec: {clusterIP: None, selector: {app: db}, ports: [{name: sql, port: 5432}]}
pod default/db-0 labels app=db ip 10.244.7.7
delete Pod default/db-0
query app db.default.svc.cluster.local A
query dnsutils db.default.svc.cluster.local A
"""
    shown = [step.shown for step in play(Scenario("text", tuple(steps(text, 1))))]
    of_coredns, of_minidns = (lines for lines in shown if lines is not None)
    assert of_coredns[0].startswith("NXDOMAIN")
    assert of_minidns[0].startswith("NOERROR")
