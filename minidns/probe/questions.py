"""Where the questions of a comparison or a probe come from.

A list of names, CoreDNS's own log, or the Services of a cluster. Every source yields
questions without duplicates, in the order in which it has them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from minidns.dns import names, rdata
from minidns.dns.model import Name, Question
from minidns.kubernetes.documents import Documents

_LOG_LINE = re.compile(
    r'"(?P<type>\S+) IN (?P<name>\S+) (?:udp|tcp)\S* \d+ (?:true|false) \d+"'
)
"""The query in a line of CoreDNS's plugin *log* (its COMMON and COMBINED formats)."""
_MAX_LINE = 4096


class WrongLine(ValueError):
    """A line of a list that is not a question; ``str()`` says which and why."""


def question(name: str, rtype: str) -> Question:
    """Return the question for a name and a type as a person writes them.

    Raises:
        ValueError: the name or the type cannot be in a query.

    """
    number = rdata.type_number(rtype)
    qname = names.absolute(name)
    names.to_wire(qname)
    return Question(qname, number)


def from_list(
    lines: Iterable[str], types: Sequence[str], where: str
) -> Iterator[Question]:
    """Yield the questions of a list with a name, or a name and a type, in each line.

    Empty lines and lines that begin with ``#`` are skipped. A line without a type
    stands for a question of each of ``types``. ``where`` names the list in errors.

    Raises:
        WrongLine: a line is neither.

    """
    seen: set[Question] = set()
    for number, line in enumerate(lines, 1):
        words = line[:_MAX_LINE].split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) > 2:
            usage = "a line has a name, or a name and a type"
            raise WrongLine(f"{where}:{number}: {usage}: {line.strip()[:80]}")
        for rtype in words[1:] or types:
            try:
                asked = question(words[0], rtype)
            except ValueError as error:
                raise WrongLine(f"{where}:{number}: {words[0]}: {error}") from error
            if asked not in seen:
                seen.add(asked)
                yield asked


def from_log(lines: Iterable[str]) -> Iterator[Question]:
    """Yield the questions of CoreDNS's log; other lines are skipped."""
    seen: set[Question] = set()
    for line in lines:
        match = _LOG_LINE.search(line[:_MAX_LINE])
        if match is None:
            continue
        try:
            asked = question(match["name"], match["type"])
        except ValueError:
            continue  # the log shows names that clients sent, and not all are sendable
        if asked not in seen:
            seen.add(asked)
            yield asked


async def from_services(api: Documents, namespace: str, zone: Name) -> list[Question]:
    """Return the questions that the Services of a cluster answer.

    For each Service that is its addresses of both families, SRV of its named ports, and
    PTR of its cluster IPs (DNS specification 2.3 to 2.5). An empty ``namespace`` stands
    for all namespaces.

    Raises:
        ApiError: the Services cannot be listed.

    """
    scope = f"/namespaces/{namespace}" if namespace else ""
    services = await api.read_objects(
        f"/api/v1{scope}/services", lambda service: list(of_service(service, zone))
    )
    return list(dict.fromkeys(asked for some in services for asked in some))


def of_service(service: Mapping[str, Any], zone: Name) -> Iterator[Question]:
    """Yield the questions that one Service answers."""
    meta, spec = service["metadata"], service.get("spec", {})
    name = f"{meta['name']}.{meta['namespace']}.svc.{zone}"
    yield Question(name, rdata.A)
    yield Question(name, rdata.AAAA)
    for port in spec.get("ports", ()):
        if label := port.get("name"):
            protocol = port.get("protocol", "TCP").lower()
            yield Question(f"_{label}._{protocol}.{name}", rdata.SRV)
    for address in spec.get("clusterIPs", ()):
        if address and address != "None":
            yield Question(names.reverse(address), rdata.PTR)
