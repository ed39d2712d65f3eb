"""Planted causes: which arms fail, at which rate, and that nothing stays behind."""

import asyncio
from fractions import Fraction

import pytest

from minidns.dns.rdata import AAAA, A
from sim.resolver.kinds import BIND_TOOLS, GLIBC
from sim.scenario import clock
from sim.scenario.plant import CAUSES, Culprit, planted
from sim.scenario.stage import Stage, staged

CLUSTER, OUTSIDE = "kubernetes.default.svc.cluster.local.", "*.example.org."
TRUTH = {CLUSTER: {"10.96.0.1"}, OUTSIDE: {"192.0.2.7"}}


async def failures(stage: Stage, pod: str, name: str, tries: int, *types: int) -> int:
    """Count lookups that were not answered rightly within a second."""
    failed = 0
    for _ in range(tries):
        start = stage.now()
        asked = name.replace("*", str(start))  # a new name is not in a cache
        kind = GLIBC if types else BIND_TOOLS  # a pair leaves one socket at once
        result = await stage.look_up(("default", pod), asked, types or (A,), kind)
        late = stage.now() - start > 1
        failed += late or set(result.outcome.addresses) != TRUTH[name]
    return failed


def play(cause: str, rate: Fraction, tries: int = 200) -> dict[str, float]:
    async def work() -> dict[str, float]:
        async with staged(3) as stage:
            stage.add_external_record(f"{OUTSIDE} 300 A 192.0.2.7")
            for name in ("coredns", "coredns-2"):
                patch = {"spec": {"replicas": 2}}
                stage.cluster.patch("Deployment", "kube-system", name, patch)
            await stage.settle()
            async with planted(stage, cause, rate):
                return {
                    "A": await failures(stage, "app", CLUSTER, tries) / tries,
                    "M": await failures(stage, "dnsutils", CLUSTER, tries) / tries,
                    "pair": await failures(stage, "app", CLUSTER, tries, A, AAAA)
                    / tries,
                    "outside": await failures(stage, "dnsutils", OUTSIDE, 60) / 60,
                }

    return clock.run(work())


CLEAN = {"A": 0.0, "M": 0.0, "pair": 0.0, "outside": 0.0}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cause", "failing"),
    [
        ("software", {"A", "pair"}),
        ("servfail", {"A", "pair"}),
        ("one-replica", {"A", "pair"}),
        ("path", {"A", "pair"}),
        ("any-service", {"A", "M", "pair", "outside"}),
        ("race", {"pair"}),
        ("node", {"A", "M", "pair", "outside"}),
        ("client-resolver", {"pair"}),
        ("upstream", {"outside"}),
        ("minidns", {"M", "outside"}),
        ("everything", {"A", "M", "pair", "outside"}),
        ("none", set()),
    ],
)
def test_a_cause_shows_where_it_is(cause: str, failing: set[str]) -> None:
    rates = play(cause, Fraction(1, 5))
    assert {where for where, rate in rates.items() if rate} == failing


@pytest.mark.slow
@pytest.mark.parametrize("cause", ["software", "path", "any-service", "minidns"])
def test_a_cause_has_its_rate(cause: str) -> None:
    rates = play(cause, Fraction(1, 10), 600)
    where = "M" if cause == "minidns" else "A"
    # the client repeats a lost query once from the same socket, a second too late
    assert rates[where] == pytest.approx(0.1, abs=0.04)


@pytest.mark.parametrize("cause", CAUSES)
def test_nothing_of_it_stays(cause: str) -> None:
    async def work() -> tuple[Culprit, int]:
        async with staged() as stage:
            patch = {"spec": {"replicas": 2}}
            stage.cluster.patch("Deployment", "kube-system", "coredns", patch)
            await stage.settle()
            before = stage.plane.faults.race_rate
            async with planted(stage, cause, Fraction(1, 2)) as culprit:
                assert cause == "none" or (
                    culprit.words or culprit.names or stage.plane.faults.race_rate
                )
            assert stage.plane.faults.race_rate == before
            assert not stage.packets.faults.active
            return culprit, await failures(stage, "app", CLUSTER, 5)

    culprit, failed = clock.run(work())
    assert (culprit.cause, failed) == (cause, 0)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [Fraction(1, 20), Fraction(1, 100)])
@pytest.mark.parametrize("cause", ["configuration", "stale"])
def test_names_that_fail_come_with_their_share(cause: str, rate: Fraction) -> None:
    async def work() -> tuple[Fraction, float]:
        async with staged() as stage, planted(stage, cause, rate) as culprit:
            ((name, share),) = culprit.names
            failed, tries = 0, 400
            for _ in range(tries):
                services = stage.cluster.list("Service", "default")
                addresses = {service["spec"]["clusterIP"] for service in services}
                result = await stage.look_up(("default", "app"), name, (A,), BIND_TOOLS)
                answer = set(result.outcome.addresses) - {"192.0.2.77"}
                failed += not answer or not answer <= addresses
                await asyncio.sleep(0.07)
            return share, failed / tries

    share, failing = clock.run(work())
    assert float(share) * failing == pytest.approx(float(rate), rel=0.4)


def test_an_unknown_cause_and_a_race_without_rivals_are_refused() -> None:
    async def work(cause: str) -> None:
        async with staged() as stage, planted(stage, cause, Fraction(1, 2)):
            pass

    with pytest.raises(ValueError, match="moon"):
        clock.run(work("moon"))
    with pytest.raises(ValueError, match="scale coredns 2"):
        clock.run(work("race"))
