"""The lines of a resolv.conf in a scenario: each must be one of resolv.conf(5).

C libraries ignore what they do not know. In a scenario that is a mistake.
"""

import re

from minidns.dns import names
from minidns.stub.glibc import RELEASES
from minidns.stub.resolv_conf import GLIBC_FLAGS, literal_address
from minidns.text.arguments import not_one_of

KEYWORDS = ("nameserver", "search", "domain", "options", "sortlist")
NUMBERS = ("ndots", "timeout", "attempts")
_UNREAD = ("debug", "no-check-names", "inet6")
"""Options that change no query, and so are not modelled."""
FLAGS = tuple(
    dict.fromkeys(
        (
            *GLIBC_FLAGS,
            *(flag for each in RELEASES.values() for flag in each.options),
            *_UNREAD,
        )
    )
)
"""The options without a number; ``-`` before one switches it off since glibc 2.42."""


def check(text: str) -> None:
    """Check every line of a resolv.conf.

    Raises:
        ValueError: a line is wrong; the message has its number and the word.

    """
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        try:
            if words and words[0][0] not in "#;":
                _check_line(*words)
        except ValueError as error:
            raise ValueError(f"line {number} of the resolv.conf: {error}") from None


def _check_line(keyword: str, *values: str) -> None:
    if keyword not in KEYWORDS:
        raise ValueError(not_one_of(keyword, KEYWORDS))
    if not values:
        raise ValueError(f"{keyword} needs a value")
    if keyword in ("nameserver", "domain") and len(values) > 1:
        raise ValueError(f"{values[1]} is surplus")
    for value in values:
        match keyword:
            case "nameserver" if literal_address(value.partition("%")[0]) is None:
                raise ValueError(f"{value} is not an IP address")
            case "search" | "domain" if not names.is_sendable(_absolute(value)):
                raise ValueError(f"{value} is not a domain name")
            case "options":
                check_option(value)


def _absolute(name: str) -> str:
    return name if name.endswith(".") else f"{name}."


def check_option(word: str) -> None:
    """Check an option, such as ``ndots:2``.

    Raises:
        ValueError: it is none of resolv.conf(5).

    """
    name, colon, number = word.removeprefix("-").partition(":")
    if name in NUMBERS and not word.startswith("-"):
        if not re.fullmatch(r"\d{1,9}", number, re.ASCII):
            raise ValueError(f"{word} is not {name}:NUMBER")
    elif colon or name not in FLAGS:
        raise ValueError(not_one_of(word, (*(f"{each}:N" for each in NUMBERS), *FLAGS)))
