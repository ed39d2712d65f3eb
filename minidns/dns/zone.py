"""An in-memory zone that answers by name and type (RFC 1034 4.3.2).

Every name that has records or names below it is a node; one without records is an empty
non-terminal (RFC 8020). A lookup walks from the apex towards the name and
stops at a delegation, at a DNAME, at the name itself, or at its closest encloser, whose
wildcard then provides the answer (RFC 4592 3.3.1).

No zone is signed here. The signatures and NSEC records of a zone that was signed by
other software are part of the answers to clients that request them (RFC 4035 3.1).
"""

from bisect import bisect
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

from minidns.dns import names, rdata
from minidns.dns.model import Name, Question, Rcode, Response, RRset, Source
from minidns.dns.rdata import AAAA, CNAME, DNAME, DS, MX, NS, NSEC, RRSIG, SOA, SRV, A
from minidns.dns.rules import AnswerRule

Node: TypeAlias = dict[int, RRset]
"""The RRsets of one name by type."""

MAX_LINKS = 8
"""Number of aliases followed for one question (CoreDNS plugin file)."""

_NAME_AT = {NS: 0, MX: 2, SRV: 6, rdata.SVCB: 2, rdata.HTTPS: 2}
"""Offset in the RDATA, by type, of the name whose addresses are added to a reply."""


class ZoneRule(AnswerRule):
    """The rules of a zone."""

    ANSWER = "zone/answer", "the zone has such records of the name"
    WILDCARD = "zone/wildcard", "a wildcard of the zone makes the records (RFC 4592)"
    NODATA = "zone/nodata", "the zone has other records of the name"
    EMPTY_NON_TERMINAL = (
        "zone/empty-non-terminal",
        "the zone has names below the name, and no records of it (RFC 8020)",
    )
    NXDOMAIN = "zone/nxdomain", "the zone does not have the name"
    DELEGATION = "zone/delegation", "the name is delegated to other name servers"
    DNAME = "zone/dname", "a DNAME of the zone renames the name (RFC 6672)"
    DNAME_LOOP = "zone/dname-loop", "the DNAMEs of the zone lead in a circle"


class ZoneAnswer(NamedTuple):
    """The answer of a zone to a question."""

    response: Response
    chase: Name = ""
    """The target of the last alias if the zone has no records for it; else empty.

    The target may still be below the apex: another zone, a hosts file or a template
    of the same server may have it, or a wildcard of this zone.
    """


class _Step(NamedTuple):
    """The end of the walk to one name."""

    rule: ZoneRule
    answer: tuple[RRset, ...] = ()
    referral: RRset | None = None
    alias: Name = ""
    """The name that the lookup continues with; empty at its end."""
    rcode: int = Rcode.NOERROR
    signatures: tuple[RRset, ...] = ()
    """The signatures of ``answer``."""
    proof: tuple[RRset, ...] = ()
    """The NSEC records that prove a denial or a wildcard, with their signatures."""


class Zone:
    """The records at and below one apex; immutable."""

    def __init__(self, apex: Name, rrsets: Iterable[RRset]) -> None:
        """Store the ``rrsets`` that are in the zone; ignore the others.

        Sets of the same owner and type are merged with the lowest TTL (RFC 2181 5.2).

        Raises:
            ValueError: the SOA is missing.

        """
        self.apex = apex
        self._nodes: dict[Name, Node] = {apex: {}}
        soa: RRset | None = None
        for rrset in rrsets:
            owner = rrset.owner.lower()
            if rrset.rtype == SOA and (soa is None or soa.owner != apex):
                # CoreDNS accepts a file that was written for another origin: an SOA
                # counts at any name
                soa = rrset._replace(owner=owner, rdata=rrset.rdata[:1])
            elif names.is_below(owner, apex) and rrset.rtype != SOA:
                self._add(rrset._replace(owner=owner))
        if soa is None:
            raise ValueError(f"no SOA record for origin {apex}")
        self.soa = soa
        if soa.owner == apex:
            self._nodes[apex][SOA] = soa
        self.serial = rdata.read_soa(soa.rdata[0]).serial
        self._source = Source("zone", apex, version=str(self.serial))
        signed = (name for name, node in self._nodes.items() if NSEC in node)
        self._nsec_owners = sorted(signed, key=_canonical)

    def _add(self, rrset: RRset) -> None:
        node = self._nodes.get(rrset.owner)
        if node is None:
            for name in self._path(rrset.owner):
                node = self._nodes.setdefault(name, {})
        assert node is not None, "the path ends at the name"
        before = node.get(rrset.rtype)
        if before is not None:
            merged = dict.fromkeys((*before.rdata, *rrset.rdata))
            ttl = min(before.ttl, rrset.ttl)
            rrset = rrset._replace(ttl=ttl, rdata=tuple(merged))
        node[rrset.rtype] = rrset

    def rrsets(self) -> Iterator[RRset]:
        """Yield every RRset of the zone, the SOA first."""
        yield self.soa
        for node in self._nodes.values():
            for rrset in node.values():
                if rrset is not self.soa:
                    yield rrset

    def nodes(self) -> list[object]:
        """Return the nodes, so that a large zone can be freed step by step."""
        return list(self._nodes.values())

    def lookup(self, question: Question, dnssec: bool = False) -> ZoneAnswer:
        """Return the answer, with aliases followed to targets that have records here.

        With ``dnssec``, it has the signatures and proofs that the zone contains.

        Whether a target belongs to the zone is decided by its data (an owner name, or a
        delegation above it), not by its suffix (CoreDNS plugin file).
        """
        name, qtype = question[:2]
        answer: tuple[RRset, ...] = ()
        seen = {name}
        while True:
            step = self._walk(name, qtype)
            answer += step.answer + (step.signatures if dnssec else ())
            name = step.alias
            if name and not self._has_target(name, qtype):
                return ZoneAnswer(self._response(question, answer, step, dnssec), name)
            if not name or name in seen or len(seen) > MAX_LINKS:
                return ZoneAnswer(self._response(question, answer, step, dnssec))
            seen.add(name)

    def _has_target(self, name: Name, qtype: int) -> bool:
        """Return whether the target of an alias is answered from this zone alone.

        NS records of a name that is no delegation here are looked up in the server,
        because the name may be the apex of another zone (CoreDNS plugin file).
        """
        if not names.is_below(name, self.apex):
            return False
        if self._walk(name, qtype).referral:
            return True
        return bool(self._nodes.get(name)) and qtype != NS

    def _path(self, name: Name) -> Iterator[Name]:
        """Yield the apex, then every name from there down to ``name``."""
        labels = names.labels(name)
        for count in range(len(names.labels(self.apex)), len(labels) + 1):
            yield ".".join(labels[len(labels) - count :]) + "."

    def _walk(self, name: Name, qtype: int) -> _Step:
        encloser = self.apex
        for ancestor in self._path(name):
            node = self._nodes.get(ancestor)
            if node is None:
                break
            encloser = ancestor
            if DNAME in node and ancestor != name:
                return self._moved(name, qtype, node[DNAME])
            # the DS of a delegation is the parent's (RFC 4035 3.1.4.1)
            if (
                NS in node
                and ancestor != self.apex
                and (qtype != DS or ancestor != name)
            ):
                return _Step(ZoneRule.DELEGATION, referral=node[NS])
        if encloser == name:
            return self._at(name, qtype, self._nodes[name], ZoneRule.ANSWER)
        asterisk = "*." + encloser.lstrip(".")
        wildcard = self._nodes.get(asterisk)
        if wildcard is None:
            proof = self._nsec_before(name, asterisk)
            return _Step(ZoneRule.NXDOMAIN, rcode=Rcode.NXDOMAIN, proof=proof)
        if (
            not wildcard
        ):  # an empty non-terminal is a source of synthesis (RFC 4592 4.9)
            return _Step(ZoneRule.NODATA, proof=self._nsec_before(name, asterisk))
        return self._at(name, qtype, wildcard, ZoneRule.WILDCARD)

    def _at(self, name: Name, qtype: int, node: Node, rule: ZoneRule) -> _Step:
        own = (SOA, NS) if name == self.apex else ()
        if CNAME in node and qtype != CNAME and qtype not in own:
            found = node[CNAME]._replace(owner=name)
            alias = rdata.target(CNAME, found.rdata[0])
        elif qtype in node:
            found, alias = node[qtype]._replace(owner=name), ""
        else:
            return self._nodata(name, node, rule)
        # a wildcard's records are proven by the absence of the name (RFC 4035 3.1.3.3)
        proof = self._nsec_before(name) if rule is ZoneRule.WILDCARD else ()
        signatures = _signatures(node, found)
        return _Step(rule, (found,), alias=alias, signatures=signatures, proof=proof)

    def _nodata(self, name: Name, node: Node, rule: ZoneRule) -> _Step:
        proof = _signed(node, NSEC)
        if rule is ZoneRule.WILDCARD or not proof:  # the name is missing, too
            proof = tuple(dict.fromkeys((*proof, *self._nsec_before(name))))
        # an apex with only these is treated as empty, so that its queries fall through
        exists = not node.keys() <= ({SOA, NS} if name == self.apex else set())
        result = ZoneRule.NODATA if exists else ZoneRule.EMPTY_NON_TERMINAL
        return _Step(result, proof=proof)

    def _moved(self, name: Name, qtype: int, dname: RRset) -> _Step:
        """Return the substitution of ``name`` by a DNAME above it (RFC 6672 2.2)."""
        left = names.labels(name)[: -len(names.labels(dname.owner)) or None]
        target = rdata.target(DNAME, dname.rdata[0])
        alias = ".".join((*left, target.lstrip(".")))
        if alias == name:  # a substitution that changes nothing can only loop
            return _Step(ZoneRule.DNAME_LOOP, rcode=Rcode.SERVFAIL)
        try:
            data = names.to_wire(alias)
        except ValueError:
            return _Step(ZoneRule.DNAME, (dname,), rcode=Rcode.YXDOMAIN)
        cname = RRset(name, CNAME, dname.ttl, (data,))
        wanted = "" if qtype == CNAME else alias
        signatures = _signatures(self._nodes[dname.owner], dname)
        answer = dname, cname
        return _Step(ZoneRule.DNAME, answer, alias=wanted, signatures=signatures)

    def _nsec_before(self, *missing: Name) -> tuple[RRset, ...]:
        """Return the NSEC records that cover the names (RFC 4034 4)."""
        owners: dict[Name, None] = {}
        for name in missing if self._nsec_owners else ():  # few zones are signed
            place = bisect(self._nsec_owners, _canonical(name), key=_canonical)
            if place:
                owners[self._nsec_owners[place - 1]] = None
        return tuple(rrset for o in owners for rrset in _signed(self._nodes[o], NSEC))

    def _response(
        self, question: Question, answer: tuple[RRset, ...], step: _Step, dnssec: bool
    ) -> Response:
        has_answer = bool(step.answer)
        sources: tuple[Source, ...] = (self._source,)
        if step.referral:
            authority: tuple[RRset, ...] = (step.referral,)
            additional = tuple(self._addresses(authority, dnssec, glue=True))
            if dnssec:  # whether the delegated zone is signed (RFC 4035 3.1.4)
                cut = self._nodes[step.referral.owner]
                authority += _signed(cut, DS) or _signed(cut, NSEC)
        else:
            authority = self._authority(question, has_answer, dnssec)
            authority += step.proof if dnssec else ()
            additional = self.additional(answer, dnssec)
            if not has_answer:
                wanted = f"{question.qname} {rdata.type_name(question.qtype)}"
                sources += (Source("record", wanted, found=False),)
        return Response(
            rcode=step.rcode,
            answer=answer,
            authority=authority,
            additional=additional,
            aa=bool(answer) or step.referral is None,
            rule=step.rule,
            sources=sources,
        )

    def negative(self, dnssec: bool = False) -> tuple[RRset, ...]:
        """Return the SOA of a negative answer (RFC 2308 2); signed with ``dnssec``."""
        apex = self._nodes[self.apex]
        return (self.soa, *(_signatures(apex, self.soa) if dnssec else ()))

    def _authority(
        self, question: Question, has_answer: bool, dnssec: bool
    ) -> tuple[RRset, ...]:
        if not has_answer:
            return self.negative(dnssec)
        apex = self._nodes[self.apex]
        if question[:2] == (self.apex, NS) or NS not in apex:
            return ()
        return _signed(apex, NS) if dnssec else (apex[NS],)

    def additional(
        self, answer: Iterable[RRset], dnssec: bool = False
    ) -> tuple[RRset, ...]:
        """Return the addresses that the zone has for targets in ``answer``."""
        return tuple(self._addresses(answer, dnssec))

    def _addresses(
        self, rrsets: Iterable[RRset], dnssec: bool, glue: bool = False
    ) -> Iterator[RRset]:
        """Yield the addresses of the names that ``rrsets`` point to.

        With ``glue``, yield only addresses of names at or below the delegation, which
        cannot be resolved without them.
        """
        within = {
            names.from_wire(data, _NAME_AT[rrset.rtype]).lower(): rrset.owner
            for rrset in rrsets
            if rrset.rtype in _NAME_AT
            for data in rrset.rdata
        }
        for name, owner in within.items():
            if glue and not names.is_below(name, owner):
                continue
            node = self._nodes.get(name, {})
            for rtype in (A, AAAA):
                yield from _signed(node, rtype)[: None if dnssec else 1]


def _signatures(node: Node, rrset: RRset) -> tuple[RRset, ...]:
    """Return the signatures of ``rrset`` in ``node``, with its TTL (RFC 4034 3)."""
    covered = rrset.rtype.to_bytes(2)
    every = node[RRSIG].rdata if RRSIG in node else ()
    data = tuple(one for one in every if one.startswith(covered))
    return (rrset._replace(rtype=RRSIG, rdata=data),) if data else ()


def _signed(node: Node, rtype: int) -> tuple[RRset, ...]:
    """Return the records of ``rtype`` and their signatures; empty if there are none."""
    return (node[rtype], *_signatures(node, node[rtype])) if rtype in node else ()


def _canonical(name: Name) -> list[bytes]:
    """Return the key by which names are in canonical order (RFC 4034 6.1)."""
    return [names.to_wire(label + ".")[1:-1] for label in reversed(names.labels(name))]
