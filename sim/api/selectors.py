"""Label and field selectors."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from .kind import Kind
from .objects import Json, dig, labels_of
from .status import bad_request

_KEY = r"[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?"
_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_LABELS = re.compile(
    rf"""\s*(?:
        !\s*(?P<absent>{_KEY})
      | (?P<key>{_KEY})(?:
            \s+(?P<set>in|notin)\s*\((?P<values>[^()]*)\)
          | \s*(?P<op>==|=|!=|>|<)\s*(?P<value>[^,\s()=!<>]*)
        )?
    )\s*(?P<end>,|$)""",
    re.VERBOSE,
)
_FIELD = re.compile(r"(?P<path>[^=!]+)(?P<op>==|=|!=)(?P<value>.*)", re.DOTALL)


class Requirement(NamedTuple):
    """One condition on one label: in, notin, exists, !, gt or lt."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether ``labels`` match; notin matches an absent key."""
        return _OPERATORS[self.operator](labels.get(self.key), self.values)


def _compare(value: str | None, bound: frozenset[str], sign: int) -> bool:
    """Return whether a label is an integer above (1) or below (-1) the bound."""
    try:
        return value is not None and (int(value) - int(next(iter(bound)))) * sign > 0
    except ValueError:
        return False


_OPERATORS: dict[str, Callable[[str | None, frozenset[str]], bool]] = {
    "in": lambda value, values: value in values,
    "notin": lambda value, values: value not in values,
    "exists": lambda value, values: value is not None,
    "!": lambda value, values: value is None,
    "gt": lambda value, values: _compare(value, values, 1),
    "lt": lambda value, values: _compare(value, values, -1),
}
_SIGNS = {"=": "in", "==": "in", "!=": "notin", ">": "gt", "<": "lt"}


class FieldRequirement(NamedTuple):
    """One condition on one field; an absent field equals the empty text."""

    path: str
    value: str
    equal: bool

    def matches(self, obj: Json) -> bool:
        """Return whether ``obj`` matches."""
        value = dig(obj, self.path)
        text = str(value).lower() if isinstance(value, bool) else str(value or "")
        return (text == self.value) is self.equal


@dataclass(frozen=True, slots=True)
class Selection:
    """A namespace with label and field selectors."""

    namespace: str = ""
    labels: tuple[Requirement, ...] = ()
    fields: tuple[FieldRequirement, ...] = ()

    @property
    def is_filtered(self) -> bool:
        """Return whether there is a label or field selector."""
        return bool(self.labels or self.fields)

    def matches(self, obj: Json) -> bool:
        """Return whether ``obj`` is selected."""
        if self.namespace and obj["metadata"].get("namespace") != self.namespace:
            return False
        if not all(field.matches(obj) for field in self.fields):
            return False
        return not self.labels or matches_labels(labels_of(obj), self.labels)


EVERYTHING = Selection()


def matches_labels(
    labels: Mapping[str, str], requirements: Iterable[Requirement]
) -> bool:
    """Return whether ``labels`` match every requirement."""
    return all(requirement.matches(labels) for requirement in requirements)


def selection(
    kind: Kind, namespace: str = "", labels: str = "", fields: str = ""
) -> Selection:
    """Return the selection of a namespace and the texts of selectors.

    Raises:
        ApiError: a selector is invalid, or names a field that the kind does not
            support (400).

    """
    return Selection(
        namespace, parse_labels(labels), tuple(_parse_fields(kind, fields))
    )


def parse_labels(text: str) -> tuple[Requirement, ...]:
    """Return the requirements of a label selector, such as `a=b,c in (d,e),!f`.

    Raises:
        ApiError: it is invalid (400).

    """
    return tuple(_parse_labels(text)) if text.strip() else ()


def _parse_labels(text: str) -> Iterator[Requirement]:
    """Yield the requirements of a label selector."""
    at = 0
    while match := _LABELS.match(text, at):
        yield _requirement(match)
        at = match.end()
        if not match["end"]:
            return
    raise bad_request(f'unable to parse requirement: "{text}", at "{text[at:]}"')


def _requirement(match: re.Match[str]) -> Requirement:
    """Return the requirement of one part of a label selector."""
    if match["absent"]:
        return Requirement(match["absent"], "!")
    if match["set"]:
        values = frozenset(value.strip() for value in match["values"].split(","))
        operator = match["set"]
    elif match["op"]:
        values, operator = frozenset([match["value"]]), _SIGNS[match["op"]]
    else:
        return Requirement(match["key"], "exists")
    for value in values:
        if not _VALUE.fullmatch(value):
            raise bad_request(f'invalid label value: "{value}"')
    return Requirement(match["key"], operator, values)


def _parse_fields(kind: Kind, text: str) -> Iterator[FieldRequirement]:
    """Yield the conditions of a field selector, such as `status.phase!=Failed`."""
    for part in re.split(r"(?<!\\),", text):
        if not part:
            continue
        match = _FIELD.fullmatch(part)
        if match is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        path, value = match["path"].strip(), re.sub(r"\\(.)", r"\1", match["value"])
        if path not in ("metadata.name", "metadata.namespace", *kind.fields):
            raise bad_request(f'field label not supported: "{path}"')
        yield FieldRequirement(path, value, match["op"] != "!=")


_EXPRESSIONS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


def of_object(selector: Json | None) -> tuple[Requirement, ...]:
    """Return the requirements of a LabelSelector object.

    Raises:
        ApiError: an operator is unknown (400).

    """
    selector = selector or {}
    requirements = list(equal_to(selector.get("matchLabels") or {}))
    for entry in selector.get("matchExpressions") or ():
        operator = _EXPRESSIONS.get(entry.get("operator", ""))
        if operator is None:
            raise bad_request(f"{entry.get('operator')!r} is not a valid operator")
        values = frozenset(entry.get("values") or ())
        requirements.append(Requirement(entry["key"], operator, values))
    return tuple(requirements)


def equal_to(labels: Mapping[str, str]) -> tuple[Requirement, ...]:
    """Return the requirements of a map of labels, such as a Service's selector."""
    return tuple(Requirement(k, "in", frozenset([v])) for k, v in labels.items())
