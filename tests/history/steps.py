"""Random histories: what clients ask of one server, and what changes meanwhile.

The pools are narrow on purpose. Two clients disturb each other only if their queries
have something in common, so a history has two or three names, a few forms of query, and
asks each up to three times.
"""

import struct
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

import dns.name

RD, AD, CD = 0x0100, 0x0020, 0x0010
LARGE = 2
CLIENTS = ("127.0.0.1", "127.0.0.2", "::1")
"""Addresses of clients; they decide the family of the transport."""
QTYPES = {"A": 1, "NS": 2, "SOA": 6, "PTR": 12, "TXT": 16, "AAAA": 28, "SRV": 33}
_QTYPE_WEIGHTS = (12, 1, 1, 1, 1, 3, 2)


def _opt(size: int, *, do: bool = False, options: bytes = b"") -> bytes:
    ttl = 0x8000 if do else 0
    return struct.pack("!BHHIH", 0, 41, size, ttl, len(options)) + options


def _option(code: int, data: bytes) -> bytes:
    return struct.pack("!HH", code, len(data)) + data


OPTS = (
    b"",
    _opt(512),
    _opt(1232),
    _opt(4096),
    _opt(1232, do=True),
    _opt(1232, options=_option(10, b"12345678")),  # COOKIE
    _opt(1232, options=_option(3, b"")),  # NSID
    _opt(1232, options=_option(8, b"\0\1\x18\0\xc0\0\2")),  # ECS: 192.0.2.0/24
    _opt(1232, options=_option(8, b"\0\1\x18\0\xc6\x33\x64")),  # ECS: 198.51.100.0/24
    _opt(1232, options=_option(65001, b"x")),
)
_OPT_WEIGHTS = (12, 2, 4, 2, 2, 1, 1, 1, 1, 1)
FLAGS = (RD, 0, RD | AD, RD | CD)
_FLAG_WEIGHTS = (8, 1, 2, 2)
TAILS = (b"6", b"t4", b"t6")
"""Bytes after the message: what else a key may be made of."""


class Form(NamedTuple):
    """A way to ask: everything about a query but its id and its name."""

    transport: str
    client: str
    qtype: int
    flags: int
    opt: bytes
    tail: bytes

    def wire(self, name: bytes) -> bytes:
        """Return the query for ``name`` (wire format) without its id."""
        counts = struct.pack("!5H", self.flags, 1, 0, 0, bool(self.opt))
        question = name + struct.pack("!HH", self.qtype, 1)
        return counts + question + self.opt + self.tail


class Ask(NamedTuple):
    """One query, sent ``times`` times."""

    name: bytes
    """In wire format, with its letters."""
    form: Form
    listener: int
    times: int
    is_awaited: bool = True
    """True if the client waits for each reply before its next query."""
    is_lost: bool = False
    """Whether it does not wait for the last one either: the next step comes while the
    query is under way, and nobody looks at the reply."""


class Change(NamedTuple):
    """A write to the cluster: the object ``number`` takes its form ``variant``."""

    number: int
    variant: int


class Pass(NamedTuple):
    """Time passes."""

    seconds: float


Step = Ask | Change | Pass


def _letters(rng: Random, name: str) -> str:
    """Return ``name`` as a user writes it, or a client with 0x20."""
    match rng.randrange(3):
        case 0:
            return name.capitalize()
        case 1:
            return name.upper()
    return "".join(c.upper() if at % 2 else c for at, c in enumerate(name))


def _form(rng: Random) -> Form:
    transport = "tcp" if rng.random() < 0.3 else "udp"
    (qtype,) = rng.choices(tuple(QTYPES.values()), _QTYPE_WEIGHTS)
    (flags,) = rng.choices(FLAGS, _FLAG_WEIGHTS)
    (opt,) = rng.choices(OPTS, _OPT_WEIGHTS)
    return Form(transport, rng.choice(CLIENTS), qtype, flags, opt, b"")


_FIELDS = {"transport": 5, "tail": 3, "client": 2, "opt": 2, "flags": 1, "qtype": 1}
"""In what the forms of a history differ, and how often."""


def _other(rng: Random, form: Form, field: str) -> Form:
    """Return ``form`` with another value of ``field``, mostly."""
    if field == "transport":
        return form._replace(transport="udp" if form.transport == "tcp" else "tcp")
    if field == "tail":
        return form._replace(tail=rng.choice(TAILS))
    return form._replace(**{field: getattr(_form(rng), field)})


def _forms(rng: Random) -> list[Form]:
    """Return four forms that differ in two things, in every combination."""
    form = _form(rng)
    one, two = rng.choices(tuple(_FIELDS), tuple(_FIELDS.values()), k=2)
    forms = [form, _other(rng, form, one)]
    other = _other(rng, form, two)
    return forms + [each._replace(**{two: getattr(other, two)}) for each in forms]


def history(rng: Random, names: Sequence[str], listeners: int, objects: int) -> list[Step]:
    """Return 8 to 25 steps about two or three of ``names``.

    The first ``LARGE`` of them have answers that do not fit into every datagram.
    """
    some = rng.sample(names, min(len(names), rng.choice((1, 2))))
    some.append(rng.choice(names[:LARGE] if rng.random() < 0.3 else names))
    letters = {name: _letters(rng, name) for name in some}
    forms = _forms(rng)
    steps: list[Step] = []
    for _ in range(rng.randrange(8, 26)):
        drawn = rng.random()
        if drawn < 0.08 and objects:
            steps.append(Change(rng.randrange(objects), rng.randrange(3)))
            # only what was asked before can be stale
            if asked := [step for step in steps if isinstance(step, Ask)]:
                steps += rng.choices(asked, k=min(len(asked), 2))
        elif drawn < 0.12:
            steps.append(Pass(rng.choice((0.0, 1.0, 3.0, 40.0))))
        else:
            name = rng.choice(some)
            spelled = letters[name] if rng.random() < 0.3 else name
            wire = dns.name.from_text(spelled).to_wire()
            assert wire is not None
            at = rng.randrange(listeners) if rng.random() < 0.2 else 0
            times = rng.choice((1, 1, 2, 3))
            steps.append(Ask(wire, rng.choice(forms), at, times, rng.random() < 0.8))
    return steps
