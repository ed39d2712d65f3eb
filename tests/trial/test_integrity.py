"""The name that only the minidns of a trial answers."""

from random import Random

import pytest

from minidns.corefile import blocks
from minidns.dns.model import Rcode
from minidns.trial.integrity import ZONE, Seal, is_intercepted
from minidns.trial.lookup import Outcome, Result
from sim.node.replica import Files
from tests.table import table

SEAL = Seal.random(Random(1))
SUBJECT = SEAL.subject(Random(2))


@table(
    ("result", "intercepted"),
    [
        pytest.param(Result(0, 0.001, Outcome.REPLIED, addresses=frozenset((SEAL.address,))), False, id="minidns"),
        pytest.param(Result(0, 2.0, Outcome.REPLIED, addresses=frozenset((SEAL.address,))), False, id="minidns, late"),
        pytest.param(
            Result(0, 0.001, Outcome.REPLIED, Rcode.NXDOMAIN), True, id="a server that does not know the name"
        ),
        pytest.param(
            Result(0, 0.001, Outcome.REPLIED, addresses=frozenset(("192.0.2.1",))),
            True,
            id="a server that answers everything",
        ),
        pytest.param(Result(0, 0.001, Outcome.REPLIED), True, id="NODATA"),
        pytest.param(Result(0, 0.001, Outcome.REPLIED, Rcode.REFUSED), True, id="a server that refuses"),
        pytest.param(Result(0, 0.001, Outcome.REPLIED, Rcode.SERVFAIL), False, id="SERVFAIL shows nothing"),
        pytest.param(Result(0, 5, Outcome.SILENT), False, id="silence shows nothing"),
        pytest.param(Result(0, 0, Outcome.UNREACHABLE), False, id="no server shows nothing"),
    ],
)
def test_is_intercepted(result: Result, intercepted: bool) -> None:
    assert is_intercepted(SUBJECT, result) is intercepted


def test_names_are_never_repeated() -> None:
    rng = Random(1)
    assert len({SEAL.subject(rng).name for _ in range(1000)}) == 1000


def test_the_server_block_is_a_corefile() -> None:
    parsed = blocks.parse(SEAL.server_block(), files=Files({}), environ={}, known=("template",))
    (block,) = parsed.blocks
    assert [directive.name for directive in block.directives] == ["template"]
    assert ZONE in str(block)
