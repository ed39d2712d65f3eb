"""The ``edns0`` rules of *rewrite*, which change EDNS options (RFC 6891 6.1.2).

An option is set, appended, replaced or unset by its code. Its data is written in the
rule, or taken from the query: {qname}, {client_ip} and so on.
"""

import binascii
import ipaddress
import struct
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, TypeAlias

from minidns.corefile.errors import ConfigError
from minidns.dns.edns import NSID, SUBNET
from minidns.dns.model import Opt, Query, Response, replace
from minidns.plugins.rewrite.renaming import Replace, Undo
from minidns.system.addresses import packed
from minidns.text.go_text import parse_uint, quote

_OPT_SIZE = 4096
"""UDP payload size of an OPT that a rule adds (CoreDNS)."""

Options: TypeAlias = tuple[tuple[int, bytes], ...]
Data: TypeAlias = Callable[[Query], bytes]
"""Returns the data of an option for a query; LookupError without any."""
Label: TypeAlias = Callable[[Query, str], str]
"""Returns the value of a metadata label for a query; empty without one."""


class Applied(NamedTuple):
    """The effect of a rule of any kind on one query."""

    query: Query
    undo: tuple[Undo, ...] = ()
    """Functions that change the answer; the last one is called first."""
    retarget: Replace | None = None
    """Maps the target of an alias in the answer to its new target."""
    edns: "EdnsRule | None" = None
    """The ``edns0`` rule that was applied."""
    applies: bool = True
    """False if the query got an OPT, and the rule has no option to change in it."""


class EdnsRule(NamedTuple):
    """One ``edns0`` rule."""

    action: str
    """set, append, replace or unset."""
    code: int
    data: Data
    literal: bool = True
    """True if the data is written in the rule; else it is taken from the query."""
    local: bool = False
    """True for a ``local`` rule, whose option is shown in the reply, too."""
    revert: bool = False
    """True if the reply shows the option as the client sent it."""

    def apply(self, query: Query) -> Applied | None:
        """Return the effect of the rule on ``query``; None if it changes nothing.

        A query without an OPT gets one, even if the rule then does not apply (CoreDNS).
        """
        try:
            option = (self.code, self.data(query))
        except LookupError:
            return None  # the metadata label has no value
        opt = query.opt or Opt(_OPT_SIZE)
        changed = self._changed(opt.options, option)
        if changed is not None:
            options, undo = changed
            opt = opt._replace(options=options)
            undone = (undo,) if self.revert else ()
            return Applied(replace(query, opt=opt), undone, edns=self)
        if query.opt is None:
            return Applied(replace(query, opt=opt), edns=self, applies=False)
        return None

    def _changed(
        self, options: Options, option: tuple[int, bytes]
    ) -> tuple[Options, Undo] | None:
        """Return the new options and the revert function; None if unchanged."""
        if self.action == "unset":
            return tuple(
                other for other in options if other[0] != self.code
            ), _unchanged
        at = _index(options, self.code)
        if at is None or (self.action == "append" and self.literal):
            if self.action == "replace":
                return None
            return (*options, option), partial(_put_first, self.code, ())
        if self.action == "append":
            return None
        undo = partial(_put_first, self.code, options[at : at + 1])
        return (*options[:at], option, *options[at + 1 :]), undo


def _index(options: Options, code: int) -> int | None:
    return next((i for i, option in enumerate(options) if option[0] == code), None)


def _unchanged(response: Response) -> Response:
    return response


def _put_first(code: int, old: Options, response: Response) -> Response:
    """Return ``response`` with ``old`` in place of its first option ``code``."""
    opt = response.opt
    at = None if opt is None else _index(opt.options, code)
    if opt is None or at is None:
        return response
    options = (*opt.options[:at], *old, *opt.options[at + 1 :])
    return replace(response, opt=opt._replace(options=options))


def edns_rule(args: Sequence[str], label: Label) -> EdnsRule:
    """Return the rule ``local|nsid|subnet ACTION ... [revert]``.

    ``label`` returns the value of a metadata label for a query.

    Raises:
        ConfigError: a malformed rule, in CoreDNS's words.

    """
    if len(args) < 2:
        raise ConfigError("too few arguments for an EDNS0 rule")
    kind, action = args[0].lower(), args[1].lower()
    if action not in ("append", "replace", "set", "unset"):
        raise ConfigError(f"invalid action: {quote(action)}")
    words = args[2:]
    revert = action != "unset" and args[-1] == "revert"
    words = words[:-1] if revert else words
    try:
        if kind not in ("local", "nsid", "subnet"):
            raise ConfigError(f"invalid rule type {quote(kind)}")
        _check_word_count(kind, action, words)
        rule = _rule(kind, action, words, label)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return rule._replace(revert=revert)


_COUNTS = {
    ("local", False): (2, "EDNS0 local rules require three or four args"),
    ("nsid", False): (0, "EDNS0 NSID rules can accept no more than one arg"),
    ("subnet", False): (2, "EDNS0 subnet rules require three or four args"),
    ("local", True): (1, "local unset action requires exactly two arguments"),
    ("nsid", True): (0, "nsid unset action requires exactly one argument"),
    ("subnet", True): (0, "subnet unset action requires exactly one argument"),
}
"""Maps kind and whether the action is unset to the word count, and the error."""


def _check_word_count(kind: str, action: str, words: Sequence[str]) -> None:
    count, text = _COUNTS[kind, action == "unset"]
    if len(words) != count:
        raise ConfigError(text)


def _rule(kind: str, action: str, words: Sequence[str], label: Label) -> EdnsRule:
    if kind == "nsid":
        return EdnsRule(action, NSID, lambda query: b"")
    if kind == "subnet":
        data = _subnet(*words) if words else lambda query: b""
        return EdnsRule(action, SUBNET, data, literal=False)
    code = parse_uint(words[0], 0, 16)
    text = words[1] if len(words) > 1 else ""
    if text.startswith("{") and text.endswith("}"):
        data = _VARIABLES.get(text) or _metadata_value(text, label)
        return EdnsRule(action, code, data, literal=False, local=True)
    raw = _literal(text)
    return EdnsRule(action, code, lambda query: raw, local=True)


def _metadata_value(variable: str, label: Label) -> Data:
    name = variable[1:-1]
    if not name.partition("/")[0] or not name.partition("/")[2]:
        raise ConfigError(f"unsupported variable name {quote(variable)}")

    def data(query: Query) -> bytes:
        value = label(query, name)
        if not value:
            raise LookupError(name)
        return value.encode()

    return data


def _literal(text: str) -> bytes:
    if not text.startswith("0x"):
        return text.encode()
    digits = text[2:]
    try:
        return binascii.unhexlify(digits)
    except ValueError as error:
        bad = next((sign for sign in digits if sign not in _HEX), "")
        if bad:
            raise ConfigError(
                f"encoding/hex: invalid byte: U+{ord(bad):04X} '{bad}'"
            ) from error
        raise ConfigError("encoding/hex: odd length hex string") from error


_HEX = frozenset("0123456789abcdefABCDEF")


def _packed(address: str) -> bytes:
    data = packed(address)
    if data is None:  # a client or a server without an IP address
        raise LookupError(address)
    return data


_VARIABLES: dict[str, Data] = {
    "{qname}": lambda query: (query.spelled or query.question.qname).encode(),
    "{qtype}": lambda query: struct.pack("!H", query.question.qtype),
    "{client_ip}": lambda query: _packed(query.peer[0]),
    "{client_port}": lambda query: struct.pack("!H", query.peer[1]),
    "{protocol}": lambda query: query.transport.encode(),
    "{server_ip}": lambda query: _packed(query.local[0]),
    "{server_port}": lambda query: struct.pack("!H", query.local[1]),
}


def _subnet(four: str, six: str) -> Data:
    """Return the client's network for IPv4 and IPv6 prefix lengths (RFC 7871 6)."""
    bits4, bits6 = parse_uint(four, 0, 16), parse_uint(six, 0, 16)
    if bits4 > 32:
        raise ConfigError(f"invalid IPv4 bit mask length {bits4}")
    if bits6 > 128:
        raise ConfigError(f"invalid IPv6 bit mask length {bits6}")

    def data(query: Query) -> bytes:
        address = _packed(query.peer[0])
        family, bits = (1, bits4) if len(address) == 4 else (2, bits6)
        network = ipaddress.ip_network((address, bits), strict=False)
        used = network.network_address.packed[: (bits + 7) // 8]
        return struct.pack("!HBB", family, bits, 0) + used

    return data
