"""The link of a DNS server to the API: late, missed and held back events."""

import pytest

from sim.scenario.play import Scenario, play, steps
from tests.table import table

QUERY = "query app web.default.svc.cluster.local A\n"
CREATE = "service default/web ip 10.96.7.7 port http:80\n"


def rcodes(text: str) -> list[str]:
    played = play(Scenario("text", tuple(steps(text, 1))))
    assert not any(step.problem for step in played), played[-1].problem
    shown = [step.shown for step in played if step.shown is not None]
    return [lines[0].split()[0] for lines in shown]


@table(
    ("fault", "after_s", "rcode"),
    [
        pytest.param("delay 2s link api>kube-dns", 1, "NXDOMAIN", id="still-late"),
        pytest.param("delay 2s link api>kube-dns", 3, "NOERROR", id="arrived"),
        pytest.param("partition link kube-dns<>api", 300, "NXDOMAIN", id="cut-off"),
        pytest.param("partition link kube-dns-2<>api", 1, "NOERROR", id="another"),
        pytest.param("miss at kube-dns", 300, "NXDOMAIN", id="missed"),
        pytest.param("miss at 10.244.0.2", 300, "NXDOMAIN", id="one-replica"),
    ],
)
def test_the_view_of_a_server_grows_old(fault: str, after_s: int, rcode: str) -> None:
    assert rcodes(f"{fault}\n{CREATE}wait {after_s} s\n{QUERY}") == [rcode]


def test_events_that_were_held_back_arrive_in_order_after_a_partition() -> None:
    text = f"partition link kube-dns<>api\n{CREATE}delete Service default/web\n{CREATE}{QUERY}clear\nwait 2 s\n{QUERY}"
    assert rcodes(text) == ["NXDOMAIN", "NOERROR"]


def test_a_server_that_starts_without_the_api_is_not_ready() -> None:
    text = "partition link dns<>api\ncorefile\n  .:53 {\n    kubernetes cluster.local\n  }\nservers\n"
    played = play(Scenario("text", tuple(steps(text, 1))))
    assert all(line.endswith("not ready") for line in played[-1].shown or ())
