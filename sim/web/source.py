"""The simulated cluster as a source of the page: walks, faults, experiments, trials."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from minidns.text.arguments import not_one_of
from minidns.walk.steps import Walk
from minidns.web.source import (
    Action,
    Asked,
    Choices,
    Document,
    Events,
    Option,
    Wrong,
    text_of,
)

from ..api.objects import dig
from ..node.faults import PODS
from ..resolver.kinds import KINDS
from ..scenario import play
from ..scenario.stage import Stage
from ..trial.causes import CAUSES
from ..walk.walk import walks, wanted_of
from ..walk.world import SHOP, WrongWords, perform
from .cluster import VirtualCluster
from .experiments import CART, EXPERIMENTS, NAMES, SWITCHES
from .lessons import Lessons, options
from .traffic import Row, Traffic
from .trials import Trials

MOST_LOOKUPS = 10_000
LAST = 200
"""Queries that a page is shown when it opens."""
BATCH = 20
"""Lookups that run at once, before the page sees them and others have their turn."""


class SimulatedSource:
    """A simulated cluster for one page server."""

    def __init__(self, events: Events) -> None:
        """Send what happens to ``events``; `start` comes first."""
        self._loop = asyncio.get_running_loop()
        self._events = events
        self._traffic: Traffic | None = None
        self._cluster = VirtualCluster(self._watch)
        self._faults: list[Document] = []
        self._changes: list[str] = []
        """Commands since the start of the cluster that are no faults, such as scale."""
        self._last: deque[Row] = deque(maxlen=LAST)
        self._pods: list[str] = []
        self._setup = SHOP
        self._trials = Trials(self._publish)
        self._lessons = Lessons(self._cluster, self._begin, self._tell, self._publish)
        self.actions: Mapping[str, Action] = {
            "add": self._add,
            "clear": self._clear,
            "experiment": self._experiment,
            "lookups": self._lookups,
            "trial": self._trials.start,
            **self._lessons.actions,
        }

    async def start(self, setup: str = SHOP) -> None:
        """Start the cluster, set up by the words of a scenario.

        Raises:
            WrongWords: a line of ``setup`` cannot be carried out.

        """
        await self._cluster.start(setup)
        self._setup = setup

    async def _begin(self, lesson: bool) -> None:
        """Start the cluster anew: an empty one for a lesson, else the usual one."""
        await self._cluster.start("" if lesson else self._setup, stands_still=lesson)

    async def close(self) -> None:
        """End the cluster."""
        self._trials.stop()
        await self._cluster.close()

    def state(self) -> Mapping[str, Any]:
        """Return the events that a page needs when it opens, by name."""
        queries = list(self._last)
        return {
            "queries": queries,
            "faults": self._faults,
            "pods": self._pods,
            **self._lessons.state(),
            **self._trials.state(),
        }

    async def choices(self) -> Choices:
        """Return what can be chosen now."""
        return Choices(
            "a simulated cluster in virtual time, with two DNS services",
            list(map(Option, self._pods)),
            [
                Option("", "that of the pod's programs"),
                *(Option(kind.also or kind.name, kind.name) for kind in KINDS),
            ],
            NAMES,
            SWITCHES,
            EXPERIMENTS,
            options(),
            [Option(name, cause.description) for name, cause in CAUSES.items()],
        )

    async def set_faults(self, faults: Sequence[str]) -> None:
        """Make these faults the active ones; nothing happens if they are already.

        A fault may be any command of scenarios. One that changes the cluster, such as
        scale, is undone by a fresh cluster.

        Raises:
            Wrong: one of them cannot be, and the faults stay as they were; or a lesson
                is running, whose faults are its own.

        """
        before = [each["fault"] for each in self._faults]
        if sorted(before) == sorted(faults):
            return
        if running := self._lessons.running:
            raise Wrong(running)
        try:
            await self._arrange(faults)
        except Wrong as error:
            await self._arrange(before)
            raise Wrong(f"fault {error}") from None

    async def _arrange(self, faults: Sequence[str]) -> None:
        """Make the usual cluster have these faults and no others.

        Raises:
            Wrong: one of them cannot be; some of them may be active.

        """
        if self._changes:
            await self._begin(False)
        else:
            await self._cluster.run(_mend)
        await self._perform("\n".join(faults))

    async def walks(self, asked: Asked) -> tuple[Walk, ...]:
        """Look a name up with each DNS service.

        Raises:
            Wrong: there is no such pod, resolver or name; the text lists what there is.

        """

        async def work(stage: Stage) -> tuple[Walk, ...]:
            try:
                wanted = wanted_of(stage, *asked)
                return await walks(stage, wanted)
            except (WrongWords, ValueError) as error:
                running = self._lessons.running
                raise Wrong(f"{error}{f'. {running}' * bool(running)}") from None
            finally:
                self._tell(stage, every=True)

        return await self._cluster.run(work)

    async def _add(self, document: Document) -> Document:
        """Add a fault; its words may be any command of scenarios."""
        return await self._perform(text_of(document, "words"))

    async def _clear(self, document: Document) -> Document:
        """Remove the fault with these words, or everything that is broken."""
        words = text_of(document, "words")
        if not words and not self._lessons.running:
            await self._arrange(())
            return {"faults": self._faults}

        async def work(stage: Stage) -> Document:
            if words:
                try:
                    stage.faults.clear(words)
                except ValueError as error:
                    raise Wrong(str(error)) from None
            else:
                await _mend(stage)
                self._changes.clear()
            self._tell(stage)
            return {"faults": self._faults}

        return await self._cluster.run(work)

    async def _experiment(self, document: Document) -> Document:
        """Start a fresh cluster with the setup of an experiment."""
        by_id = {each.id: each for each in EXPERIMENTS}
        experiment = by_id.get(text_of(document, "id"))
        if experiment is None:
            raise Wrong(not_one_of(text_of(document, "id"), by_id))
        self._lessons.forget()
        await self._cluster.start()
        begun = await self._perform("\n".join(experiment.setup))
        asked = experiment.asked._asdict()
        return {**begun, "asked": asked, "watch": experiment.watch}

    async def _perform(self, text: str) -> Document:
        async def work(stage: Stage) -> Document:
            try:
                for step in play.steps(text, 1):
                    before = _active(stage)
                    await perform(stage, (step,))
                    if _active(stage) == before and step.command not in before:
                        self._changes.append(step.command)
            except WrongWords as error:
                raise Wrong(str(error)) from None
            finally:
                self._tell(stage)
            return {"faults": self._faults}

        return await self._cluster.run(work)

    async def _lookups(self, document: Document) -> Document:
        """Let the pods look names up, as many times as the document says."""
        count = document.get("count")
        if not isinstance(count, int) or not 0 < count <= MOST_LOOKUPS:
            raise Wrong(f"count: a number from 1 to {MOST_LOOKUPS} is needed")
        for start in range(0, count, BATCH):
            numbers = range(start, min(start + BATCH, count))

            async def work(stage: Stage, numbers: range = numbers) -> None:
                await asyncio.gather(*(_look_up(stage, each) for each in numbers))
                self._tell(stage)

            await self._cluster.run(work)
        return {}

    # -- in the thread of the cluster

    def _watch(self, stage: Stage) -> None:
        self._traffic = Traffic(stage, self._queries)
        self._changes.clear()
        self._tell(stage)

    def _queries(self, rows: list[Row]) -> None:
        self._last.extend(rows)
        self._publish("queries", rows)

    def _tell(self, stage: Stage, *, every: bool = False) -> None:
        """Send queries and the state of faults to the pages."""
        if self._traffic is not None:
            self._traffic.flush(every=every)
        faults: list[Document] = [
            *({"fault": words, "hits": None} for words in self._changes),
            *(
                {"fault": each.text, "hits": each.hits}
                for each in stage.faults.active()
            ),
        ]
        if faults != self._faults:
            self._faults = faults
            self._publish("faults", faults)
        pods = _pods(stage)
        if pods != self._pods:
            self._pods = pods
            self._publish("pods", pods)

    def _publish(self, name: str, value: Any) -> None:  # noqa: ANN401  # JSON
        self._loop.call_soon_threadsafe(self._events.publish, name, value)


def _active(stage: Stage) -> list[str]:
    return [fault.text for fault in stage.faults.active()]


async def _mend(stage: Stage) -> None:
    """Remove everything that is broken."""
    stage.faults.clear()
    stage.packets.servers.silent.clear()
    stage.packets.blocks_tcp = False
    stage.api.mend()


def _pods(stage: Stage) -> list[str]:
    """Return the pods that look names up, not those that answer."""
    pods = []
    for pod in stage.cluster.list("Pod"):
        address = str(dig(pod, "status.podIP") or "")
        if PODS in stage.places.of(address).names:
            meta = pod["metadata"]
            pods.append(f"{meta['namespace']}/{meta['name']}")
    return sorted(pods, key=lambda name: name != CART)


async def _look_up(stage: Stage, number: int) -> None:
    """Look one of the suggested names up in one of the pods, by its number."""
    pods = [pod for pod in stage.pods() if pod[0] != "kube-system"]
    pod, name = pods[number % len(pods)], NAMES[number % len(NAMES)]
    await stage.look_up(pod, name, (1, 28))
