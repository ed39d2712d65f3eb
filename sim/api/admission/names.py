"""The rules for names of objects, labels and domains (apimachinery util/validation)."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from ..status import Cause, wrong

_PART = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LOOSE_PART = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"


class NameRule(NamedTuple):
    """A rule for names: a pattern, a length, and the message of a mismatch."""

    pattern: re.Pattern[str]
    max_length: int
    message: str
    example: str = ""
    allows_dots: bool = True


SUBDOMAIN = NameRule(
    re.compile(rf"{_PART}(\.{_PART})*"),
    253,
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
    "characters, '-' or '.', and must start and end with an alphanumeric character",
    "e.g. 'example.com', ",
)
LABEL = NameRule(
    re.compile(_PART),
    63,
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters "
    "or '-', and must start and end with an alphanumeric character",
    "e.g. 'my-name',  or '123-abc', ",
    allows_dots=False,
)
SEARCH_DOMAIN = NameRule(
    re.compile(rf"{_LOOSE_PART}(\.{_LOOSE_PART})*"),
    253,
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
    "characters, '_', '-' or '.', and must start and end with an alphanumeric "
    "character",
    "e.g. 'example.com', ",
)
SEGMENT = NameRule(re.compile(r"(?!\.{1,2}$)[^/%]+"), 253, "may not contain '/' or '%'")


def errors(rule: NameRule, field: str, name: str) -> Iterator[Cause]:
    """Yield the validation error of ``name``, if there is one."""
    if "." in name and not rule.allows_dots:
        yield wrong(field, name, "must not contain dots")
    elif not rule.pattern.fullmatch(name):
        used = f"regex used for validation is '{rule.pattern.pattern}'"
        yield wrong(field, name, f"{rule.message} ({rule.example}{used})")
    elif len(name) > rule.max_length:
        why = f"must be no more than {rule.max_length} characters"
        yield wrong(field, name, why)
