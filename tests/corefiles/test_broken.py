"""Each broken Corefile gives exactly the line that CoreDNS prints."""

import pytest

from minidns.corefile import blocks, imports
from tests.corefiles import DIRECTIVES, MOUNT, Case, cases
from tests.table import table

BROKEN = cases("broken")
BY_GRAMMAR = [case for case in BROKEN if not case.error.startswith("plugin/")]
BY_PLUGIN = [case for case in BROKEN if case.error.startswith("plugin/")]

HINTS = {
    "directive-mistyped": "did you mean 'kubernetes'?",
    "directive-removed": "did you mean 'forward'?",
    "directive-in-capitals": "did you mean 'errors'?",
    "directive-with-colon": "did you mean 'errors'?",
    "directive-glued-to-brace": "did you mean 'errors'?",
    "import-mistyped-directive": "did you mean 'forward'?",
    "block-not-closed-before-next": "a zone within a server block: is a '}' missing?",
    "key-glued-to-brace": "put a blank before the brace",
}


@pytest.fixture(autouse=True)
def few_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reach the limit of imports sooner than in 100,000 files."""
    monkeypatch.setattr(imports, "MAX_IMPORTS", 1000)


def parse(case: Case) -> blocks.Corefile:
    return blocks.parse(case.text, files=case.files, environ={}, known=DIRECTIVES, directory=MOUNT)


def problems(case: Case) -> tuple[blocks.ConfigError, ...]:
    return blocks.problems(case.text, files=case.files, environ={}, known=DIRECTIVES, directory=MOUNT)


def test_there_are_enough_to_mean_something() -> None:
    assert len(BY_GRAMMAR) >= 40
    assert len(BY_PLUGIN) >= 40


@table("case", BY_GRAMMAR, ids=lambda case: case.name)
def test_the_grammar_refuses(case: Case) -> None:
    with pytest.raises(blocks.ConfigError) as caught:
        parse(case)
    assert str(caught.value) == case.error


@table("case", BY_GRAMMAR, ids=lambda case: case.name)
def test_the_first_error_is_among_the_problems(case: Case) -> None:
    assert case.error in [str(problem) for problem in problems(case)]


@table("case", BY_PLUGIN, ids=lambda case: case.name)
def test_the_grammar_leaves_it_to_the_plugin(case: Case) -> None:
    name = case.error.removeprefix("plugin/").partition(":")[0]
    assert parse(case).blocks[0].named(name)
    assert problems(case) == ()


@table(("name", "hint"), HINTS.items())
def test_hint(name: str, hint: str) -> None:
    (case,) = (case for case in BROKEN if case.name == name)
    assert problems(case)[0].hint == hint
    assert hint not in str(problems(case)[0])
