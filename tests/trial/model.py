"""A network made of chances alone, at the port of a trial: the fastest place for faults."""

import asyncio
from random import Random

from minidns.dns.model import Rcode
from minidns.trial.arms import (
    ARMS,
    KP,
    VP,
    A,
    Cell,
    Client,
    D,
    K,
    Layout,
    M,
    Manner,
    NameKind,
    P,
    R,
    Target,
    V,
    draw_kind,
)
from minidns.trial.integrity import ZONE, Seal
from minidns.trial.ledger import Ledger
from minidns.trial.lookup import Expected, Outcome, Result, Subject, as_libc
from minidns.trial.run import Plan, Tell, Trial, interval_s
from minidns.trial.suspects import Share
from minidns.trial.verdict import Verdict
from sim.scenario import clock

REPLICAS = ("coredns-a", "coredns-b")
ADDRESSES = frozenset(("10.96.7.9",))
LETTERS = {arm.name: arm for arm in ARMS}


def layout(
    arms: str = "A R M P K KP", nodes: tuple[str, ...] = ("node-1", "node-2"), replicas: tuple[str, ...] = REPLICAS
) -> Layout:
    targets = [Target(LETTERS[name], f"10.96.0.{10 + index}") for index, name in enumerate(arms.split())]
    direct = [Target(D, f"10.244.0.{index}", replica) for index, replica in enumerate(replicas, 2)]
    clients = tuple(Client(f"prober-{node}", node) for node in nodes)
    return Layout((*targets, *direct), replicas, clients)


class Model:
    """Prober and subjects: a lookup fails with the rate of the fault and the background."""

    def __init__(self, share: Share, rate: float, background: float, seed: int, *, seal: Seal | None = None) -> None:
        self.share, self.rate, self.background = share, rate, background
        self.rng = Random(f"model {seed}")
        self.seal = seal

    async def next(self) -> Subject:
        kind = draw_kind(self.rng)
        subject = Subject("web.shop.svc.cluster.local.", kind, expected=Expected.addresses(ADDRESSES))
        return as_libc(subject, "web.shop") if self.rng.random() < 0.5 else subject

    async def look_up(self, client: Client, target: Target, subject: Subject) -> Result:
        now = asyncio.get_running_loop().time()
        replica = target.replica or self.rng.choice(REPLICAS)
        if ZONE in subject.name:
            if self.seal is None:
                return Result(now, 0.001, Outcome.REPLIED, Rcode.NXDOMAIN)
            return Result(now, 0.001, Outcome.REPLIED, addresses=frozenset((self.seal.address,)))
        cell = Cell(target.arm, replica, subject.kind, subject.manner, client.node)
        if self.rng.random() < self.rate * self.share(cell) + self.background:
            await asyncio.sleep(5)
            return Result(now, 5.0, Outcome.SILENT, replica=replica if target.arm == R else "")
        return Result(now, 0.001, Outcome.REPLIED, addresses=ADDRESSES, replica=replica if target.arm == R else "")


CAUSES: dict[str, Share] = {
    "software": lambda cell: float(cell.arm in (A, D, R, V, VP)),
    "version": lambda cell: float(cell.arm in (A, D, R)),
    "configuration": lambda cell: float(cell.arm not in (K, KP)),
    "one-replica": lambda cell: 2.0 * (cell.arm in (A, D, R) and cell.replica == REPLICAS[1]),
    "path": lambda cell: float(cell.arm == A),
    "any-service": lambda cell: float(cell.arm in (A, R, M, K, V)),
    "node": lambda cell: float(cell.node == "node-2"),
    "upstream": lambda cell: float(cell.names is NameKind.EXTERNAL),
    "stale": lambda cell: float(cell.names is NameKind.CHANGED),
    "client-resolver": lambda cell: float(cell.manner is Manner.LIBC),
    "minidns": lambda cell: float(cell.arm in (M, P, K, KP)),
    "everything": lambda cell: 1.0,
    "none": lambda cell: 0.0,
}
"""Which lookups fail, written down independently of the suspects' rows."""


def race(cell: Cell) -> float:
    """Return the share of lookups that two packets from one socket can fail."""
    return float(cell.arm in (A, R, M, K) and cell.manner is Manner.LIBC)


def trial(
    share: Share,
    rate: float,
    seed: int,
    *,
    background: float = 0.1,
    arms: str = "A R M P K KP",
    seal: bool = True,
    limit: float = 60,
    tell: Tell = lambda event: None,
    to_find: float = 0.0,
) -> tuple[Verdict, Ledger]:
    """Run a trial in virtual time; ``background`` is a share of ``rate``."""
    to_find = to_find or rate
    plan = Plan(
        layout(arms),
        to_find,
        limit / to_find * interval_s(to_find, 2, 10),
        interval_s(to_find, 2, 10),
        Seal("2001:db8::5"),
    )
    model = Model(share, rate, rate * background, seed, seal=plan.seal if seal else None)
    ledger = Ledger(plan.layout, to_find)
    verdict = clock.run(Trial(plan, model, model, ledger, Random(f"trial {seed}"), tell).run())
    return verdict, ledger
