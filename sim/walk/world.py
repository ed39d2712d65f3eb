"""The cluster that lookups walk through: two DNS services, a small shop, some pods."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial

from minidns.server.remembered import Memory

from ..scenario import play
from ..scenario.stage import Stage, staged
from .recording import attach

SHOP = """\
scale coredns 2
scale coredns-2 2
service shop/web select app=web port http:80
pod shop/web-1 labels app=web
pod shop/web-2 labels app=web
service shop/db ip None select app=db port sql:5432
pod shop/db-0 labels app=db hostname db-0 subdomain db
pod shop/db-1 labels app=db hostname db-1 subdomain db ready no
service shop/empty select app=nobody port http:80
service shop/payments external api.example.org
pod shop/cart
pod shop/alpine libc musl
pod shop/gopher libc go
outside google.com A 192.0.2.100
outside google.com AAAA 2001:db8::100
outside api.example.org A 192.0.2.7
outside www.example.org CNAME api.example.org.
"""
"""The words of a scenario that set the cluster up."""


class WrongWords(ValueError):
    """A line of words cannot be carried out; the text names the line and says why."""

    def __init__(self, text: str, line: int = 0) -> None:
        """Take the number of the line; 0 if the words are of no file."""
        super().__init__(text)
        self.line = line

    def in_file(self, name: str) -> "WrongWords":
        """Return the error with the place in the file called ``name``."""
        return WrongWords(f"{name}:{self.line}: {self}", self.line)


@asynccontextmanager
async def world(
    setup: str = SHOP, seed: int = 1, name: str = ""
) -> AsyncIterator[Stage]:
    """Yield a stage that records walks, set up by the words of a scenario.

    ``name`` is that of the file with ``setup``, for errors; empty for none.

    Its servers remember no bytes of replies: each query goes through the chain, whose
    plugins a walk shows.

    Raises:
        WrongWords: a line of ``setup`` cannot be carried out.

    """
    async with staged(seed) as stage:
        attach(stage)
        stage.servers.memory = partial(Memory, max_bytes=0)
        await stage.restart()
        try:
            await perform(stage, play.steps(setup, 1))
        except WrongWords as error:
            raise (error.in_file(name) if name else error) from None
        yield stage


async def perform(stage: Stage, steps: Iterable[play.Step]) -> None:
    """Carry out the commands of a scenario; the output of those that show is ignored.

    Raises:
        WrongWords: one of them cannot be carried out.

    """
    for step in steps:
        played = await play.perform(stage, step)
        if played.problem:
            raise WrongWords(f"{step.command!r}: {played.problem}", step.line)
