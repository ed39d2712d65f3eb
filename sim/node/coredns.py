"""A simulated CoreDNS: minidns's chain without what only minidns has."""

from collections.abc import Iterator

LACKS = ("hold 0s", "audit off")
"""Options of *kubernetes* that switch off what CoreDNS does not have."""


def as_coredns(corefile: str) -> str:
    """Return ``corefile`` with ``LACKS`` in front of the options of *kubernetes*."""
    return "".join(f"{line}\n" for text in corefile.splitlines() for line in _of(text))


def _of(line: str) -> Iterator[str]:
    match line.split():
        case ["kubernetes", *_, "{"]:
            yield line
            yield from LACKS
        case ["kubernetes", *_]:
            yield f"{line} {{"
            yield from LACKS
            yield "}"
        case _:
            yield line
