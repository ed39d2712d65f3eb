"""`python -m tests.stub.real.compare glibc|musl [CASES]`: machines and libraries.

Compares the queries (server, transport, socket, name, type, flags, EDNS, order, time)
and the result of a C library with those of its machine in random cases. It needs root,
network namespaces and a C compiler.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from minidns.stub.glibc import Glibc
from minidns.stub.musl import Musl
from minidns.stub.protocol import Resolver

from .cases import Case, make_case
from .modelled import play
from .observed import Observer, enter_network_namespace
from .record import Record

_SOURCE = Path(__file__).with_name("lookup.c")
_AT_A_TIME = (24, 8, 4, 4, 4)
"""A case that differs is observed again: a busy machine delays packets."""


@dataclass(frozen=True)
class Library:
    """A C library, its compiler and its machine."""

    compiler: str
    make: Callable[[str, Random], Resolver]


LIBRARIES = {"glibc": Library("gcc", Glibc), "musl": Library("musl-gcc", lambda text, rng: Musl(text, rng, tcp=False))}


@dataclass(frozen=True)
class Difference:
    """A case in which machine and library differ."""

    case: Case
    what: str
    modelled: Record
    observed: Record

    def __str__(self) -> str:
        """Show the case, what the library did, and what the machine did."""
        case = self.case
        return (
            f"case {case.number}: {self.what} differ: {case.name} ({case.family})\n"
            f"{case.resolv_conf.strip()}\nnobody listens on UDP: "
            f"{sorted(case.deaf_udp)}, TCP: {sorted(case.deaf_tcp)}\n"
            f"library:\n{self.observed}\nmachine:\n{self.modelled}"
        )


class _Starting(Random):
    """Chance whose first 31 bits are given: where rotation begins."""

    def __init__(self, start: int) -> None:
        super().__init__(1)
        self._start = start

    def getrandbits(self, k: int) -> int:
        """Return the given start for 31 bits."""
        return self._start if k == 31 else super().getrandbits(k)


def _difference(case: Case, library: Library, observed: Record, *, times: bool) -> Difference | None:
    """Compare one case; ``rotate`` may begin at any server."""
    found: Difference | None = None
    for start in range(len(case.servers)):
        modelled = play(case, library.make(case.resolv_conf, _Starting(start)))
        what = observed.differs(modelled, times=times)
        if not what:
            return None
        found = found or Difference(case, what, modelled, observed)
    return found


def differences(library: Library, program: Path, cases: list[Case], *, times: bool = True) -> Iterator[Difference]:
    """Yield the cases that differ in each of several tries."""
    for at_a_time in _AT_A_TIME:
        observed = Observer(program, at_a_time).observe(cases)
        found = [_difference(case, library, record, times=times) for case, record in observed]
        differing = [each for each in found if each is not None]
        cases = [difference.case for difference in differing]
    yield from differing


def main() -> int:
    """Compare and print; the status is 1 if there are differences."""
    parser = argparse.ArgumentParser()
    parser.add_argument("library", choices=LIBRARIES)
    parser.add_argument("cases", type=int, nargs="?", default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ignore-times", action="store_true", help="on a busy machine")
    args = parser.parse_args()
    library = LIBRARIES[args.library]
    enter_network_namespace()
    cases = [make_case(number, args.seed) for number in range(args.cases)]
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "lookup")
        subprocess.run([library.compiler, "-O1", "-o", program, _SOURCE], check=True)
        found = list(differences(library, program, cases, times=not args.ignore_times))
    for difference in found:
        print(difference)
    print(f"{args.library}: {args.cases} cases, {len(found)} differences")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
