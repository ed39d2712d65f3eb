"""Quoted strings, integers and durations as Go parses and formats them.

The errors have the texts of Go, because users know them from CoreDNS.
"""

import re

_UNITS = {
    "ns": 1,
    "us": 10**3,
    "\u00b5s": 10**3,  # micro sign
    "\u03bcs": 10**3,  # Greek mu
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
"""Nanoseconds of each unit (Go time.ParseDuration)."""
_MAX_NS = 2**63 - 1
_AMOUNT = re.compile(r"([0-9]*)(?:\.([0-9]*))?([^0-9.]*)", re.ASCII | re.DOTALL)
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)


def quote(text: str) -> str:
    r"""Return ``text`` in double quotes as Go's %q writes it.

    >>> print(quote('say "hi"\n'))
    "say \"hi\"\n"
    """
    return '"' + "".join(_quoted(sign) for sign in text) + '"'


_SHORT = dict(zip('\a\b\f\n\r\t\v\\"', 'abfnrtv\\"', strict=True))


def _quoted(sign: str) -> str:
    if sign in _SHORT:
        return "\\" + _SHORT[sign]
    if sign.isprintable():
        return sign
    code = ord(sign)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def duration(text: str) -> float:
    """Return the seconds in the duration ``text``, such as ``1h30m`` or ``1.5s``.

    Raises:
        ValueError: ``time: ...`` in the words of Go.

    """
    return nanoseconds(text) / 10**9


def nanoseconds(text: str) -> int:
    """Return the nanoseconds in the duration ``text``; raises as ``duration``."""
    rest = text.removeprefix("-") if text.startswith("-") else text.removeprefix("+")
    if rest == "0":
        return 0
    invalid = ValueError(f"time: invalid duration {_quoted_time(text)}")
    total, at = 0, 0
    while at < len(rest):
        amount = _AMOUNT.match(rest, at)
        if amount is None or not (amount[1] or amount[2]):
            raise invalid
        total += _amount_ns(amount, text)
        if total > 2**63:
            raise invalid
        at = amount.end()
    total = -total if text.startswith("-") else total
    if not rest or total > _MAX_NS:
        raise invalid
    return total


def _amount_ns(amount: re.Match[str], text: str) -> int:
    whole, part, unit = amount[1].lstrip("0") or "0", amount[2] or "0", amount[3]
    quoted = _quoted_time(text)
    if len(whole) > 19 or int(whole) > 2**63:
        raise ValueError(f"time: invalid duration {quoted}")
    if not unit:
        raise ValueError(f"time: missing unit in duration {quoted}")
    if unit not in _UNITS:
        unit = _quoted_time(unit)
        raise ValueError(f"time: unknown unit {unit} in duration {quoted}")
    return int(whole) * _UNITS[unit] + _fraction_ns(part, _UNITS[unit])


def _fraction_ns(part: str, unit: int) -> int:
    """Return the nanoseconds of ``0.part`` units.

    As in Go, the calculation is in floating point with as many digits as fit 63 bits:
    ``0.3333333333333333333h`` is twenty minutes.
    """
    digits = part.lstrip("0")[:19]
    if int(digits or "0") > 2**63:
        digits = digits[:18]
    exponent = len(part) - len(part.lstrip("0")) + len(digits)
    return int(float(digits or "0") * (unit / 10.0 ** min(exponent, 300)))


def _quoted_time(text: str) -> str:
    """Return ``text`` in quotes as Go's time package writes it, byte by byte."""
    out = ""
    for byte in text.encode("utf-8", "surrogateescape"):
        sign = chr(byte)
        if sign in '"\\':
            out += "\\" + sign
        else:
            out += sign if 0x20 <= byte < 0x80 else f"\\x{byte:02x}"
    return f'"{out}"'


def format_duration(seconds: float) -> str:
    """Return ``seconds`` as Go writes durations.

    >>> [format_duration(seconds) for seconds in (0, 0.5, 300, 5400.25)]
    ['0s', '500ms', '5m0s', '1h30m0.25s']
    """
    total = round(seconds * 10**9)
    sign, total = ("-", -total) if total < 0 else ("", total)
    for unit, size in (("ns", 1), ("µs", 10**3), ("ms", 10**6)):
        if 0 < total < min(size * 1000, 10**9):
            return f"{sign}{_decimal(total, size)}{unit}"
    minutes, rest = divmod(total, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    out = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{sign}{out}{_decimal(rest, 10**9)}s"


def _decimal(amount: int, size: int) -> str:
    """Return ``amount`` / ``size`` without trailing zeros; ``size`` a power of ten."""
    whole, part = divmod(amount, size)
    digits = f"{part:0{len(str(size)) - 1}}".rstrip("0") if part else ""
    return f"{whole}.{digits}" if digits else str(whole)


def integer(text: str) -> int:
    """Return the integer in ``text``: decimal digits with an optional sign.

    Raises:
        ValueError: ``strconv.Atoi: parsing ...`` in the words of Go.

    """
    if not _INTEGER.fullmatch(text):
        raise ValueError(f"strconv.Atoi: parsing {quote(text)}: invalid syntax")
    digits = text.lstrip("+-0") or "0"
    # 20 digits decide the range; int() raises for thousands of digits
    number = int(digits[:20]) * (-1 if text.startswith("-") else 1)
    if not -(2**63) <= number < 2**63:
        raise ValueError(f"strconv.Atoi: parsing {quote(text)}: value out of range")
    return number


_PREFIXES = {"0x": 16, "0o": 8, "0b": 2}
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def parse_uint(text: str, base: int, bits: int) -> int:
    """Return the unsigned integer in ``text``, of at most ``bits`` bits, to ``base``.

    Base 0 means the base of a prefix, such as ``0x``; ``bits`` 0 means 64.

    >>> parse_uint("7b", 16, 8), parse_uint("0xffee", 0, 16)
    (123, 65518)

    Raises:
        ValueError: ``strconv.ParseUint: parsing ...``.

    """
    if base != 0 and not 2 <= base <= 36:
        raise _uint_error(text, f"invalid base {base}")
    if not 0 <= bits <= 64:
        raise _uint_error(text, f"invalid bit size {bits}")
    digits = text.lower()
    if base == 0:
        base, digits = _split_base(digits)
    if not digits or set(digits) - set(_DIGITS[:base]):
        raise _uint_error(
            text, "invalid syntax"
        )  # limit: no underscores between digits
    # 64 bits have at most 64 digits; int() raises for thousands of them
    number = int(digits, base) if len(digits.lstrip("0")) <= 64 else 1 << 64
    if number >= 1 << (bits or 64):
        raise _uint_error(text, "value out of range")
    return number


def _split_base(digits: str) -> tuple[int, str]:
    base = _PREFIXES.get(digits[:2])
    if base:
        return base, digits[2:]
    return (8, digits[1:]) if len(digits) > 1 and digits[0] == "0" else (10, digits)


def _uint_error(text: str, why: str) -> ValueError:
    return ValueError(f"strconv.ParseUint: parsing {quote(text)}: {why}")
