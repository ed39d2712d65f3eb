"""The mutants that the tests are measured by."""

import ast

from tests.mutants import files_about, files_about_users, mutants
from tests.table import table

SOURCES = {
    "comparison": ("x = a < b", "x = (a <= b)"),
    "boolean operator": ("x = a and b", "x = (a or b)"),
    "operator": ("x = a + b", "x = (a - b)"),
    "not": ("x = not a", "x = (a)"),
    "condition": ("if a.b: c = d", "if (not a.b): c = d"),
    "truth": ("x = True", "x = False"),
    "number": ("x = 7", "x = 8"),
    "returned value": ("def f() -> int: return a", "def f() -> int: return None"),
    "call": ("é = a; f(x)", "é = a; pass"),
    "nothing in an annotation": ("x: Literal[1] = a", None),
    "nothing in a log line": ("log.info(x, y[0])", None),
}


@table(("source", "expected"), SOURCES.values(), ids=SOURCES)
def test_a_mutant_differs_in_one_place(source: str, expected: str | None) -> None:
    found = [
        (source.encode()[: each.start] + each.text.encode() + source.encode()[each.end :]).decode()
        for each in mutants("x.py", source.encode())
    ]
    assert found == ([expected] if expected else [])
    for text in found:
        ast.parse(text)


def test_a_module_is_tested_where_it_is_imported_or_named() -> None:
    found = files_about("minidns/dns/zonefile.py")
    assert {"tests/dns/test_zonefile.py", "tests/dns/test_rdata_types.py"} <= found
    assert "tests/http/test_server.py" not in found
    assert "tests/plugins/test_cache_releases.py" in files_about("minidns/plugins/cache/__init__.py")


def test_a_module_is_also_tested_where_a_module_that_imports_it_is() -> None:
    found = files_about_users("minidns/second_dns/survey.py")
    assert "tests/second_dns/test_status.py" in found
    assert not found & files_about("minidns/second_dns/survey.py")
