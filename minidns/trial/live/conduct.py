"""Conducts a trial in a cluster: create, look up, and remove, whatever happens."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from minidns.kubernetes.resources import ApiError
from minidns.probe import servers
from minidns.probe.servers import NoServer
from minidns.second_dns.objects import SLICE
from minidns.second_dns.session import Session
from minidns.trial.arms import Layout, NameKind
from minidns.trial.ledger import Ledger
from minidns.trial.live import build, names, remote
from minidns.trial.live.changing import Changing
from minidns.trial.live.names import Checked, Names, Step, Wanted
from minidns.trial.live.objects import CHANGING, TRIAL, Design
from minidns.trial.live.remote import Flows
from minidns.trial.lookup import Prober
from minidns.trial.run import Event, Plan, Progress, Trial
from minidns.trial.verdict import Court, Verdict

MOST_SKEW_S = 5.0
"""Seconds by which clocks may differ before it is worth a note."""
LOOK_S = 10.0
"""Seconds between two looks at CoreDNS's pods."""


class Pace(NamedTuple):
    """What a trial looks for, how fast and how long."""

    rate: float
    """The rate of failures to be found, per lookup."""
    limit_s: float
    interval_s: float
    """Mean seconds between two ticks."""


@dataclass(slots=True)
class Conduct:
    """A trial in a cluster; its ledger is there from its first lookup on."""

    session: Session
    design: Design
    names: Sequence[Wanted]
    pace: Pace
    rng: Random
    started: float = 0.0
    """Seconds since the epoch."""
    ledger: Ledger | None = None
    verdict: Verdict | None = None
    """The verdict so far."""
    step: Step | None = None
    """How far the lookups before the trial are; None before the first."""

    @property
    def has_begun(self) -> bool:
        """Whether there is anything to report: a lookup that counts, or a probe."""
        ledger = self.ledger
        return ledger is not None and bool(ledger.ticks or ledger.intercepted)

    async def run(self, timeout_s: float) -> None:
        """Create what the trial needs, and make lookups until it is over.

        Raises:
            Refusal: the trial cannot begin.
            Lost: a client pod has ended.
            ApiError: the API server does not answer.

        """
        tell = self.session.tell
        built = await build.create(self.session, self.design, timeout_s)
        if abs(built.skew_s) > MOST_SKEW_S:
            tell(
                f"note: this machine's clock is {abs(built.skew_s):.0f} s "
                f"{'ahead of' if built.skew_s > 0 else 'behind'} the cluster's: the "
                "times of the report are this machine's"
            )
        flows = Flows(self.design.pods)
        async with remote.attached(
            self.session.api, built.clients, built.relays, flows
        ) as prober:
            seconds = round(len(self.names) * self.pace.interval_s)
            tell(
                f"the pods are ready; each of the {len(self.names)} names is looked "
                f"up over every arm beforehand (about {seconds} s)"
            )
            checked = await names.check(
                self.names, prober, built.layout, self.pace.interval_s, self._note
            )
            for remark in checked.remarks:
                tell(f"note: {remark}")
            await self.look_up(built.layout, prober, checked)

    async def look_up(self, layout: Layout, prober: Prober, checked: Checked) -> None:
        """Make lookups until the trial is over; then ``verdict`` is the last one.

        Raises:
            Lost: a client pod has ended.

        """
        changing, kinds = self._changing(), names.kinds_of(checked.subjects)
        if changing is not None:
            kinds = (*kinds, NameKind.CHANGED)
        plan = Plan(layout._replace(names=kinds), *self.pace, self.design.seal)
        self.ledger = ledger = Ledger(plan.layout, plan.rate)
        self.started = self.session.wall()
        chosen = Names(checked.subjects, self.rng, changing, checked.plain)
        trial = Trial(plan, prober, chosen, ledger, self.rng, self._hear)
        beside = [self._watch_pods(ledger)]
        if changing is not None:
            beside.append(changing.run())
        tasks = [asyncio.ensure_future(work) for work in beside]
        reached: Verdict | None = None
        try:
            reached = await trial.run()
        finally:
            for task in tasks:
                task.cancel()
            # one that was reached stands, whatever the last lookups add
            self.verdict = reached or Court.of(ledger).verdict(ledger)

    def _changing(self) -> Changing | None:
        """Return the names that change; None if the user may not change any."""
        design, name = self.design, self.design.named(CHANGING)
        if design.server is None:
            return None
        suffix = f"{name}.{design.home}.svc.{design.domain}."
        path = SLICE.path(design.home, name)
        return Changing(self.session.api, path, suffix, self.rng)

    def _note(self, step: Step) -> None:
        self.step = step

    def _hear(self, event: Event) -> None:
        if isinstance(event, Progress):
            self.verdict = event.verdict

    async def _watch_pods(self, ledger: Ledger) -> None:
        """Stop the trial when CoreDNS's pods are others than at its start."""
        meta = self.design.service["metadata"]
        while self.design.pods:
            await asyncio.sleep(LOOK_S)
            with suppress(ApiError):
                try:
                    found = await servers.from_cluster(
                        self.session.api, f"pods/{meta['name']}", meta["namespace"]
                    )
                except NoServer:
                    found = []
                if {pod.address[0] for pod in found} != set(self.design.pods):
                    ledger.brake.reason = "CoreDNS's pods are others than at the start"

    async def remove(self) -> None:
        """Delete the objects of the trial, and wait until they are gone."""
        where = {self.design.home, self.design.namespace}
        label = f"{TRIAL}={self.design.name}"
        await build.clean(self.session, sorted(where), label)
