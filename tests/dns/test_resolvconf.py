from minidns.dns import resolv_conf
from tests.table import table

ROWS = {
    "search": ("search a.org B.org.", ("a.org.", "b.org.")),
    "domain-is-a-list-of-one": ("domain a.org b.org", ("a.org.",)),
    "the-last-counts": ("search a.org\ndomain b.org\n", ("b.org.",)),
    "search-after-domain": ("domain b.org\nsearch a.org c.org\n", ("a.org.", "c.org.")),
    "others-do-not": ("nameserver 192.0.2.1\noptions ndots:5\n# search x\n\n", ()),
    "empty-line-clears": ("search a.org\nsearch\n", ()),
}


@table(("text", "expected"), ROWS.values(), ids=ROWS)
def test_search(text: str, expected: tuple[str, ...]) -> None:
    assert resolv_conf.search(text) == expected
