import pytest

from minidns.kube.selector import check


@pytest.mark.parametrize(
    "selector",
    [
        "a=b",
        "a==b",
        "a!=b",
        "a",
        "!a",
        "a in (b, c)",
        "a notin (b)",
        "a in (b,c),d=e",
        "example.org/name = x",
        "a=",
        "n > 5",
        "dns-scope=public, !hidden",
    ],
)
def test_selectors(selector: str) -> None:
    check(selector)


@pytest.mark.parametrize(
    "selector",
    ["a=b=c", "a in b", "a in ()x", "-a=b", "a=b,", "=b", "a b", "a=%", "/a=b", "a~b"],
)
def test_what_nobody_could_match(selector: str) -> None:
    with pytest.raises(ValueError, match="is not a label requirement"):
        check(selector)
