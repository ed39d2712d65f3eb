"""What the pieces of a parsed template do when rendered: closures over a Scope."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from minidns.plugins.template import go_function
from minidns.plugins.template.go_format import TemplateError, kind, show

MAX_OUTPUT = 65_536
"""Characters a template may give; no record is longer."""
MAX_TURNS = 10_000
"""Times that all loops of a template may go round."""


class Scope:
    """What a template sees, and has given, while it is rendered."""

    def __init__(self, data: object) -> None:
        self.dot = data
        self.variables: list[tuple[str, object]] = [("$", data)]
        """Innermost last."""
        self.out: list[str] = []
        self._size = 0
        self._turns = 0

    def write(self, text: str) -> None:
        """Append ``text``; TemplateError when it becomes too much."""
        self._size += len(text)
        if self._size > MAX_OUTPUT:
            raise TemplateError(f"more than {MAX_OUTPUT} characters")
        self.out.append(text)

    def turn(self) -> None:
        """Count a round of a loop; TemplateError when there are too many."""
        self._turns += 1
        if self._turns > MAX_TURNS:
            raise TemplateError(f"loops of more than {MAX_TURNS} turns")


Part: TypeAlias = Callable[[Scope], None]
"""What a piece of the template does."""
Term: TypeAlias = Callable[[Scope], object]
"""What a piece of an action evaluates to."""


def text(written: str) -> Part:
    """Return the part that gives ``written``."""
    return lambda scope: scope.write(written)


def shown(term: Term) -> Part:
    """Return the part that gives what ``term`` is, as text."""
    return lambda scope: scope.write(show(term(scope)))


def sequence(parts: Sequence[Part]) -> Part:
    """Return the part that does all of ``parts``."""

    def run(scope: Scope) -> None:
        for part in parts:
            part(scope)

    return run


def declare(term: Term, names: Sequence[str]) -> Part:
    """Return the part that makes new variables ``names``, all of the value."""

    def run(scope: Scope) -> None:
        value = term(scope)
        scope.variables += [(name, value) for name in names]

    return run


def choice(
    condition: Term, names: Sequence[str], then: Part, other: Part, moves: bool
) -> Part:
    """Return ``if``, or with ``moves`` ``with``, which makes its value the dot."""

    def run(scope: Scope) -> None:
        value, mark, dot = condition(scope), len(scope.variables), scope.dot
        scope.variables += [(name, value) for name in names]
        if value and moves:
            scope.dot = value
        (then if value else other)(scope)
        scope.dot = dot
        del scope.variables[mark:]

    return run


def loop(items: Term, names: Sequence[str], body: Part, other: Part) -> Part:
    """Return ``range``: one name is for the item, two are for its index and it."""

    def run(scope: Scope) -> None:
        mark, dot, empty = len(scope.variables), scope.dot, True
        for index, item in _items(items(scope)):
            empty = False
            scope.turn()
            scope.dot = item
            values = (index, item) if len(names) == 2 else (item,)
            scope.variables += zip(names, values, strict=False)
            body(scope)
            del scope.variables[mark:]
        scope.dot = dot
        if empty:
            other(scope)

    return run


def _items(value: object) -> Iterable[tuple[object, object]]:
    if isinstance(value, Mapping):
        return sorted(value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return enumerate(value)
    raise TemplateError(f"range can't iterate over {kind(value)}")


def constant(value: object) -> Term:
    """Return the term that is always ``value``."""
    return lambda scope: value


def dot(scope: Scope) -> object:
    """Return the dot: the data, or what the block around works on."""
    return scope.dot


def variable(name: str) -> Term:
    """Return the term that is the variable ``name``."""

    def value(scope: Scope) -> object:
        return next(held for each, held in reversed(scope.variables) if each == name)

    return value


def chain(term: Term, names: Sequence[str]) -> Term:
    """Return the term that goes from ``term`` along the fields ``names``."""

    def value(scope: Scope) -> object:
        at = term(scope)
        for name in names:
            at = go_function.field(at, name)
        return at

    return value if names else term


def function(name: str, terms: Sequence[Term]) -> Term:
    """Return the term that calls the function ``name``."""

    def value(scope: Scope) -> object:
        if name in ("and", "or"):  # the only ones that do not look at all of them
            return _first(scope, terms, name == "or")
        return go_function.call(name, [term(scope) for term in terms])

    return value


def _first(scope: Scope, terms: Sequence[Term], wanted: bool) -> object:
    found: object = None
    for term in terms:
        found = term(scope)
        if bool(found) is wanted:
            break
    return found


def method(term: Term, terms: Sequence[Term]) -> Term:
    """Return the term that calls the value of ``term``, such as ``.Meta "x"``."""

    def value(scope: Scope) -> object:
        called = term(scope)
        if not callable(called):
            raise TemplateError(f"can't give argument to non-function {show(called)}")
        try:
            return called(*[each(scope) for each in terms])
        except TypeError as error:
            raise TemplateError(f"wrong arguments: {error}") from error

    return value
