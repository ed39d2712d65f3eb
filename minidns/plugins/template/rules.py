"""The rules of *template*: which queries they are about, and what templates see."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from minidns.corefile.values import Match, Pattern, covers, longest, pattern
from minidns.dns import rdata
from minidns.dns.model import AA, AD, CD, RA, TC, Name, Query, Rcode
from minidns.plugins.rewrite.edns import Label
from minidns.plugins.template.go_format import Struct
from minidns.plugins.template.go_template import Template

FIELDS = (
    "Name",
    "Zone",
    "Class",
    "Type",
    "Match",
    "Group",
    "Regex",
    "Remote",
    "Question",
    "Message",
    "Meta",
)
"""What the data of a template has."""

_TYPE_NAMES = {number: name for name, number in rdata.TYPES.items()}
_CLASS_NAMES = {number: name for name, number in rdata.CLASSES.items()}


@dataclass(slots=True)
class TemplateRule:
    """One ``template`` of the Corefile."""

    where: str
    """File and line."""
    rclass: int
    rtype: int
    zones: tuple[Name, ...]
    patterns: list[Pattern] = field(default_factory=list)
    records: list[tuple[str, Template]] = field(default_factory=list)
    """Section and template, in file order."""
    rcode: int = Rcode.NOERROR
    error: bytes | None = None
    """Data of the option for extended errors."""
    fall: tuple[Name, ...] = ()

    def is_about(self, query: Query) -> bool:
        """Return whether zone, class and type are this template's."""
        qname, qtype, qclass = query.question
        return (
            covers(self.zones, qname)
            and (rdata.ANY in (self.rclass, qclass) or self.rclass == qclass)
            and (rdata.ANY in (self.rtype, qtype) or self.rtype == qtype)
        )

    def match(self, query: Query) -> tuple[Pattern, Match] | None:
        """Return the first pattern that finds something in the name, and what."""
        for each in self.patterns or (_ANYTHING,):
            found = each.search(query.question.qname)
            if found:
                return each, found
        return None


_ANYTHING = pattern(".*")


def labels(query: Query, rule: TemplateRule) -> tuple[str, str, str]:
    """Return zone, class and type as the template and the metrics show them.

    A number without a name is empty (CoreDNS), which bounds the series of the metrics.
    """
    qname, qtype, qclass = query.question
    shown_class = rule.rclass if qclass == rdata.ANY else qclass
    shown_type = rule.rtype if qtype == rdata.ANY else qtype
    zone = longest(rule.zones, qname) or ""
    return zone, _CLASS_NAMES.get(shown_class, ""), _TYPE_NAMES.get(shown_type, "")


def data(
    query: Query, rule: TemplateRule, found_by: Pattern, found: Match, label: Label
) -> Mapping[str, object]:
    """Return what the templates of ``rule`` see of a query that it matched.

    ``label`` says what plugins know of a query (*metadata*).
    """
    zone, class_name, type_name = labels(query, rule)
    texts = [each or "" for each in (found.group(), *found.groups())]
    named = {name: text or "" for name, text in found.groupdict().items()}
    qname, qtype, qclass = query.question
    question = Struct(Name=query.spelled or qname, Qtype=qtype, Qclass=qclass)
    return {
        "Name": qname,
        "Zone": zone,
        "Class": class_name,
        "Type": type_name,
        "Match": texts,
        "Group": {str(at): text for at, text in enumerate(texts)} | named,
        "Regex": found_by.pattern,
        "Remote": query.peer[0].partition("%")[0],
        "Question": question,
        "Message": _message(query, question),
        "Meta": lambda name: label(query, name),
    }


def _message(query: Query, question: Struct) -> Struct:
    """Return what of a message of Go's dns package a query fills in."""
    return Struct(
        Id=query.id,
        Response=False,
        Opcode=query.flags >> 11 & 15,
        Authoritative=bool(query.flags & AA),
        Truncated=bool(query.flags & TC),
        RecursionDesired=query.rd,
        RecursionAvailable=bool(query.flags & RA),
        AuthenticatedData=bool(query.flags & AD),
        CheckingDisabled=bool(query.flags & CD),
        Rcode=0,
        Question=[question],
        Answer=[],
        Ns=[],
        Extra=[],
    )
