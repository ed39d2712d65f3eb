"""Unsigned integers as Go parses them (strconv.ParseUint), with its errors."""

from minidns.text.go_text import quote

_PREFIXES = {"0x": 16, "0o": 8, "0b": 2}
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def parse(text: str, base: int, bits: int) -> int:
    """Return the number in ``text`` to the base ``base``, of at most ``bits`` bits.

    Base 0 means the base of a prefix, such as ``0x``; ``bits`` 0 means 64.

    >>> parse("7b", 16, 8), parse("0xffee", 0, 16)
    (123, 65518)

    Raises:
        ValueError: ``strconv.ParseUint: parsing ...``.

    """
    if base != 0 and not 2 <= base <= 36:
        raise _error(text, f"invalid base {base}")
    if not 0 <= bits <= 64:
        raise _error(text, f"invalid bit size {bits}")
    digits = text.lower()
    if base == 0:
        base, digits = _split_base(digits)
    if not digits or set(digits) - set(_DIGITS[:base]):
        raise _error(text, "invalid syntax")  # limit: no underscores between digits
    # 64 bits have at most 64 digits; int() raises for thousands of them
    number = int(digits, base) if len(digits.lstrip("0")) <= 64 else 1 << 64
    if number >= 1 << (bits or 64):
        raise _error(text, "value out of range")
    return number


def _split_base(digits: str) -> tuple[int, str]:
    base = _PREFIXES.get(digits[:2])
    if base:
        return base, digits[2:]
    return (8, digits[1:]) if len(digits) > 1 and digits[0] == "0" else (10, digits)


def _error(text: str, why: str) -> ValueError:
    return ValueError(f"strconv.ParseUint: parsing {quote(text)}: {why}")
