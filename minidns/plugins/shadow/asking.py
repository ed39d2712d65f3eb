"""Takes questions from replies that have left, and asks other servers the same.

    listener --replies, when one is due--> take --a task--> rounds --> classes --> Found

The client has its reply before anything here runs. In the first round our answer is the
one that the client got; where a server differs, all are asked again as `compare` does,
we in this process, so that a server that is behind can catch up.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from math import inf
from typing import Any

from minidns.dns.model import (
    TC,
    DnsError,
    FormatError,
    Query,
    Question,
    Rcode,
    Response,
)
from minidns.dns.rdata import ANY, AXFR, HINFO, IXFR
from minidns.dns.reply import decode_reply
from minidns.dns.wire import encode_response
from minidns.kubernetes.journal import NotRecorded
from minidns.plugins.shadow.found import Found
from minidns.plugins.shadow.servers import AskedServer, Shadowed
from minidns.plugins.site import Site
from minidns.probe import probing, shown
from minidns.probe.compare import in_rounds
from minidns.probe.differences import Class, Difference, Round, classify
from minidns.probe.exchange import Kind
from minidns.probe.lookup import Form, LookupResult, look_up, read_answer
from minidns.text.moments import rfc3339

MAX_IN_FLIGHT = 50
"""Questions of which not all rounds are over; more are skipped."""
SPAN_S = 60.0
"""Seconds before a reply in which changes of its objects are kept with a difference."""
EXPLAIN_S = 1.0
"""Seconds between two differences whose past objects are looked up, which may take some
milliseconds; those in between have the objects of the last round."""
_BURST = 4
"""Of so many replies in a row any may be the one that is taken."""
_FORM = Form(timeout_s=2.0)
_OPCODE, _IN = 0x7800, 1
_US = "minidns"


class Shadow:
    """The sampler of a server block's listeners, see `ReplySampler`."""

    def __init__(self, rate: int, servers: Shadowed, found: Found, site: Site) -> None:
        self._interval_s = 1 / rate
        self._servers = servers
        self._found = found
        self._site = site
        self._edges = site.edges
        self._due = inf
        """Monotonic seconds at which the next question may be taken."""
        self._left_out = 0
        """Replies left out once a question may be taken, before one is."""
        self._since = 0.0
        self._in_flight = 0
        self._explained_at = -inf

    def begin(self) -> None:
        """Take questions from now on."""
        self._due = self._edges.now()
        self._since = self._edges.wall()

    # -- the listeners

    def wants_one(self) -> bool:
        """Return whether a question may be taken now."""
        if self._edges.now() < self._due:
            return False
        # not always the first one, because clients ask in bursts: A, then AAAA
        self._left_out -= 1
        return self._left_out < 0

    def take(self, replies: Sequence[bytes]) -> None:
        """Take the question of one of ``replies``, which have left."""
        self._left_out = self._edges.random.randrange(_BURST)
        self._wait_for_turn()
        if self._in_flight >= MAX_IN_FLIGHT:
            self._found.skip("busy")
            return
        self._in_flight += 1
        wire = self._edges.random.choice(replies)
        self._site.once("shadow", self._ask_others(wire, self._edges.wall()))

    def _wait_for_turn(self) -> None:
        """Count one question of each server against the rate."""
        self._due = max(self._due, self._edges.now()) + self._interval_s

    # -- a question

    async def _ask_others(self, wire: bytes, at: float) -> None:
        try:
            first = _sample(wire)
            servers = [each for each in self._servers.present() if each.is_asked]
            if first is None:
                self._found.skip("not comparable")
            elif not servers:
                self._found.skip("no server")
            else:
                await self._compare(_Asked(self._site, *first), servers, at)
        finally:
            self._in_flight -= 1

    async def _compare(
        self, asked: "_Asked", servers: Sequence[AskedServer], at: float
    ) -> None:
        question, cluster = asked.question, self._site.offers.cluster
        rounds = await in_rounds(
            partial(self._round, asked, servers), self._edges.sleep
        )
        is_outside = cluster is None or cluster.zone_of(question.qname) is None
        differences = classify(question, rounds, is_outside=is_outside)
        for difference in differences:
            self._found.count(difference.kind)
        kept = [each for each in differences if each.kind is not Class.TTL_OR_ORDER]
        self._found.add_question(differs=bool(kept))
        if kept:
            await self._keep(asked, servers, kept, at)

    async def _round(self, asked: "_Asked", servers: Sequence[AskedServer]) -> Round:
        if asked.rounds:
            self._wait_for_turn()
        ours = await asked.again()
        lookups = (look_up(asked.question, s.target.address, _FORM) for s in servers)
        outcomes = await asyncio.gather(*lookups)
        for server, outcome in zip(servers, outcomes, strict=True):
            server.add(outcome)
        return [ours, *outcomes]

    async def _keep(
        self,
        asked: "_Asked",
        servers: Sequence[AskedServer],
        differences: Sequence[Difference],
        at: float,
    ) -> None:
        labels = [_US, *(server.target.label for server in servers)]
        behind = await self._behind(asked, at)
        for difference in differences:
            tree = shown.as_json(difference, labels)
            self._found.keep({"time": rfc3339(at), **tree, **behind})

    async def _behind(self, asked: "_Asked", at: float) -> dict[str, object]:
        """Return what our answer followed from: at the time of the reply, if known."""
        response, details = asked.response, dict[str, object]()
        offers, now = self._site.offers, self._edges.now()
        is_ours = offers.cluster and offers.cluster.zone_of(asked.question.qname)
        if offers.past and is_ours and now - self._explained_at >= EXPLAIN_S:
            self._explained_at = now
            try:
                found = await offers.past(asked.query, at, SPAN_S)
            except (DnsError, NotRecorded):
                pass  # the objects of the last round have to do
            else:
                response, details = found[0], dict(found[1])
        return {
            "rule": str(response.rule),
            "because": details.get("because", ""),
            "objects": [
                {
                    "kind": source.kind,
                    "name": source.name,
                    "resourceVersion": source.version,
                    "found": source.found,
                }
                for source in response.sources
            ],
            "changes": details.get("changes", []),
        }

    # -- minidns shadow

    def report(self) -> dict[str, Any]:
        """Return counts and differences for ``minidns shadow``; times in seconds."""
        found, now = self._found, self._edges.now()
        return {
            "since": rfc3339(self._since),
            "rate": round(1 / self._interval_s),
            "questions": found.questions,
            "differing": found.differing,
            "faults": sum(n for kind, n in found.classes.items() if kind.is_fault),
            "skipped": dict(found.skipped),
            "classes": {str(kind): n for kind, n in sorted(found.classes.items())},
            "servers": [_server_json(each, now) for each in self._servers.present()],
            "differences": list(found.kept),
        }


class _Asked:
    """A question, our answer to it, and the query with which we answer it again."""

    def __init__(self, site: Site, question: Question, first: LookupResult) -> None:
        self.question = question
        self.query = Query(
            question, transport="tcp", max_size=65535, server=site.server
        )
        self.response = Response()
        """Our last response; empty before the second round."""
        self.rounds = 0
        self._first = first
        self._site = site

    async def again(self) -> LookupResult:
        """Return what the client got, then what it would get now."""
        self.rounds += 1
        if self.rounds == 1:
            return self._first
        began, (name, rtype, _) = self._site.edges.now(), self.question
        self.response = await self._site.ask(self.query, name, rtype)
        answer = read_answer(encode_response(self.query, self.response), self.question)
        return LookupResult(Kind.REPLY, answer, self._site.edges.now() - began)


def _sample(wire: bytes) -> tuple[Question, LookupResult] | None:
    """Return question and answer of a reply that another server can be asked for.

    Not comparable are zone transfers, ANY, HINFO (*loop* counts these), errors about
    the form of a query, replies cut to the size that a client wanted, and those with
    signatures on its demand.
    """
    try:
        reply = decode_reply(wire, strict=False)
        question = reply.question
        is_odd = reply.flags & (TC | _OPCODE) or (reply.opt and reply.opt.do)
        if question is None or question.qclass != _IN or is_odd:
            return None
        if question.qtype in (ANY, AXFR, HINFO, IXFR):
            return None
        if reply.rcode in (Rcode.FORMERR, Rcode.NOTIMP):
            return None
        answer = read_answer(wire, question)
    except FormatError:
        return None
    return question, LookupResult(Kind.REPLY, answer, 0.0)


def _server_json(server: AskedServer, now: float) -> dict[str, Any]:
    return {
        **probing.as_json(server.target, server.tally),
        "left_alone": round(max(0.0, server.asked_again_at - now), 1),
    }
