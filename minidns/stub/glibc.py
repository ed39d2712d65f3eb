"""glibc's getaddrinfo: which names it queries, and what it makes of the replies.

Theory of operation: a name with at least ``ndots`` dots is tried as given first, then
with each search domain; a name with fewer dots the other way round. The search goes on
after NXDOMAIN, NODATA and SERVFAIL, and ends after silence or another error; then the
name as given is still tried. If all servers refuse, the lookup ends at once. The error
is that of the name as given if it was tried first, else NODATA or SERVFAIL if any name
had it, else that of the last name.

Source: glibc 2.36 and 2.42, resolv/res_query.c (__res_context_search,
__res_context_querydomain, __res_context_query), resolv/nss_dns/dns-host.c
(_nss_dns_gethostbyname4_r, gethostbyname3_context), getaddrinfo.c
(get_nss_addresses, try_simple_gethostbyname). The hosts database is DNS alone, and the
host name has no dot.
"""

import re
from collections.abc import Generator
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import NamedTuple, TypeAlias

from minidns.dns.model import AD, RD, Opt, Rcode, replace
from minidns.dns.rdata import AAAA, A, rcode_name
from minidns.dns.reply import Reply

from .glibc_send import Errno, Sender
from .protocol import (
    BOTH,
    Event,
    Outcome,
    Resolver,
    Status,
    Steps,
    StubQuery,
    Wait,
    decisive_status,
    literal_outcome,
)
from .resolv_conf import GlibcRelease, literal_address, read_glibc

_SINCE_2_36 = ("no-reload", "trust-ad", "no-aaaa")
RELEASES = {
    "2.25": GlibcRelease(search_limit=6, edns_size=1024, random_rotation=False),
    "2.36": GlibcRelease(_SINCE_2_36, short_errors=True),
    "2.42": GlibcRelease(
        (*_SINCE_2_36, "strict-error"), negation=True, short_errors=True
    ),
}
"""2.36 is that of Debian 12, with the stable updates of July 2024."""


_HOST_NAME = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{,253}")


class _Herror(Enum):
    """The values of h_errno."""

    HOST_NOT_FOUND = 1
    TRY_AGAIN = 2
    NO_RECOVERY = 3
    NO_DATA = 4


_HERRORS: dict[int, _Herror] = {
    Rcode.NXDOMAIN: _Herror.HOST_NOT_FOUND,
    Rcode.SERVFAIL: _Herror.TRY_AGAIN,
    Rcode.NOERROR: _Herror.NO_DATA,
}


class _Queried(NamedTuple):
    """The result of the queries for one name."""

    name: str
    status: Status
    replies: tuple[Reply, ...] = ()
    herror: _Herror | None = None
    """None if the replies have answers."""


_QueriedSteps: TypeAlias = Generator[Wait, Event, _Queried]


class Glibc(Resolver):
    """The resolver of one thread of a program that is linked with glibc."""

    def __init__(
        self, resolv_conf: str, rng: Random, release: GlibcRelease = RELEASES["2.36"]
    ) -> None:
        """Read ``resolv_conf`` as ``release`` does."""
        super().__init__(resolv_conf, rng)
        self._release = release
        self._read()

    def _read(self) -> None:
        self._read_text = self.resolv_conf
        conf = read_glibc(self.resolv_conf, self._release)
        self._sender = Sender(self, conf, self._release)

    def look_up(self, name: str, types: tuple[int, ...] = BOTH) -> Steps:
        """Return the steps of getaddrinfo; other types mean res_search."""
        if (literal := literal_address(name)) is not None:
            return literal_outcome(name, literal, types, "EAI_ADDRFAMILY")
        addresses = set(types) <= set(BOTH)
        if addresses and not _is_host_name(name):
            return Outcome(Status.FAILED, name, error="EAI_NONAME")
        self._reload()
        queried = yield from _Search(self._sender, name, types).run()
        error, status = self._error(queried, types), queried.status
        if not error and addresses and not _has_address(queried.replies):
            # an alias without address: gethostbyname2, for A alone, says NO_RECOVERY
            error = "EAI_NODATA" if types == (A,) else "EAI_NONAME"
            status = Status.NODATA
        return Outcome(status, queried.name, queried.replies, error)

    def _reload(self) -> None:
        """Read a changed file, which glibc does at every lookup since 2.26."""
        reloads = self._release.search_limit is None
        changed = self.resolv_conf != self._read_text
        if changed and reloads and "no-reload" not in self._sender.conf.flags:
            self._read()

    def _error(self, queried: _Queried, types: tuple[int, ...]) -> str:
        """Return the error of getaddrinfo, with its cause where it is ambiguous."""
        herror = queried.herror
        if herror is None:
            return ""
        if herror is _Herror.NO_DATA:
            return "EAI_NODATA"
        # for AF_INET alone getaddrinfo calls gethostbyname2, which looks at errno
        if types == (A,) and self._sender.errno is Errno.NONE:
            return "EAI_NONAME"
        if herror is _Herror.TRY_AGAIN:
            return f"EAI_AGAIN ({_cause(queried)})"
        return "EAI_NONAME"


def _cause(queried: _Queried) -> str:
    rejected = queried.status is Status.FAILED and queried.replies
    return rcode_name(queried.replies[0].rcode) if rejected else queried.status.value


def _has_address(replies: tuple[Reply, ...]) -> bool:
    return any(rrset.rtype in BOTH for reply in replies for rrset in reply.answer)


@dataclass(slots=True)
class _Search:
    """One call of res_search."""

    sender: Sender
    name: str
    types: tuple[int, ...]
    _searched: list[_Queried] = field(default_factory=list)
    """The results of the names with a search domain."""
    _servfail: bool = False

    def run(self) -> _QueriedSteps:
        """Query one name after another; return the result that counts."""
        conf, self.sender.errno = self.sender.conf, Errno.NONE
        dots, final_dot = self.name.count("."), self.name.endswith(".")
        given: _Queried | None = None
        if dots >= conf.ndots or final_dot:
            given = yield from self._query(self.name)
            if final_dot or given.herror is None:
                return given
        root = False
        for domain in conf.search:
            root = root or domain in (".", "")
            queried = yield from self._query(f"{self.name}.{domain.removeprefix('.')}")
            if queried.herror is None:
                return queried
            self._searched.append(queried)
            if self.sender.errno is Errno.REFUSED:
                return queried._replace(herror=_Herror.TRY_AGAIN)
            if not self._goes_on(queried):
                break
        if given is not None:
            return given
        last = self._searched[-1] if self._searched else None
        top_level = dots or last is None or "no-tld-query" not in conf.flags
        if top_level and not root:
            last = yield from self._query(self.name)
        assert last is not None
        return last if last.herror is None else self._decisive(last)

    def _goes_on(self, queried: _Queried) -> bool:
        servfail = self.sender.last_rcode == Rcode.SERVFAIL
        if queried.herror is _Herror.TRY_AGAIN and servfail:
            self._servfail = True
            return True
        return queried.herror in (_Herror.NO_DATA, _Herror.HOST_NOT_FOUND)

    def _decisive(self, last: _Queried) -> _Queried:
        """Return the result whose error the program gets."""
        wanted = [_Herror.NO_DATA, *([_Herror.TRY_AGAIN] if self._servfail else [])]
        for herror in wanted:
            for queried in self._searched:
                if queried.herror is herror:
                    return queried
        return last

    def _query(self, name: str) -> _QueriedSteps:
        """Query one name; a name that cannot be encoded ends the search."""
        absolute = _absolute(name)
        no_aaaa = "no-aaaa" in self.sender.conf.flags and AAAA in self.types
        instead = no_aaaa and self.types == (AAAA,)
        try:
            types = (A,) if no_aaaa else self.types
            queries = self._encode(name, types, edns=not instead)
        except ValueError:
            self.sender.errno = Errno.NONE  # EMSGSIZE, in place of an older error
            return _Queried(absolute, Status.FAILED, (), _Herror.NO_RECOVERY)
        sent = yield from self.sender.exchange(queries)
        replies = sent.replies
        if instead:
            # NODATA is made from the A reply, and from silence, by a mistake of glibc
            replies = tuple(replace(reply, answer=()) for reply in replies)
        if not replies and not (instead and self.sender.last_rcode is None):
            rejected = (sent.rejected,) if sent.rejected else ()
            return _Queried(absolute, sent.cause, rejected, _Herror.TRY_AGAIN)
        return _Queried(absolute, decisive_status(replies), replies, _herror(replies))

    def _encode(
        self, name: str, types: tuple[int, ...], *, edns: bool
    ) -> list[StubQuery]:
        flags, size = self.sender.conf.flags, self.sender.release.edns_size
        return self.sender.resolver.queries(
            name,
            types,
            RD | AD if "trust-ad" in flags else RD,
            Opt(size) if edns and "edns0" in flags else None,
        )


def _herror(replies: tuple[Reply, ...]) -> _Herror | None:
    if any(not reply.rcode and reply.answer for reply in replies):
        return None
    rcode = next((reply.rcode for reply in replies if reply.rcode), 0)
    return _HERRORS.get(rcode, _Herror.NO_RECOVERY)


def _is_host_name(name: str) -> bool:
    """Return whether glibc sends queries for ``name`` at all (check_name)."""
    labels = name.removesuffix(".").split(".")
    return bool(_HOST_NAME.fullmatch(name)) and all(0 < len(x) < 64 for x in labels)


def _absolute(name: str) -> str:
    return name.removesuffix(".").lower() + "."
