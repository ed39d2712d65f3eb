import fnmatch
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidns.corefile.errors import ConfigError
from minidns.corefile.imports import Imports, glob, has_wildcard
from minidns.corefile.lexer import Token
from tests.table import table

TREE = {
    "": ["Corefile", "custom", ".hidden"],
    "/": ["etc"],
    "/etc": ["a.conf", "b.conf", "d1", "d2"],
    "/etc/d1": ["x.conf", ".y.conf"],
    "/etc/d2": ["x.conf", "z"],
    "custom": ["b.override", "a.override", "..data", "*"],
}

GLOBS = [
    ("star", "custom/*.override", ["custom/a.override", "custom/b.override"]),
    ("star-matches-leading-dot", "custom/*a", ["custom/..data"]),
    ("star-alone", "*", [".hidden", "Corefile", "custom"]),
    ("star-matches-nothing-too", "Corefile*", ["Corefile"]),
    ("star-stays-in-its-part", "/etc/*.conf", ["/etc/a.conf", "/etc/b.conf"]),
    ("star-in-folder", "/etc/*/x.conf", ["/etc/d1/x.conf", "/etc/d2/x.conf"]),
    ("folders-in-order", "/etc/d?/*", [
        "/etc/d1/.y.conf", "/etc/d1/x.conf", "/etc/d2/x.conf", "/etc/d2/z",
    ]),
    ("question-mark", "/etc/?.conf", ["/etc/a.conf", "/etc/b.conf"]),
    ("root", "/*", ["/etc"]),
    ("escape", r"custom/\*", ["custom/*"]),
    ("closing-bracket-is-plain", "custom/a]*", []),
    ("regexp-signs-are-plain", "custom/(a|b).*", []),
    ("no-such-folder", "none/*", []),
    ("plain-there", "custom/a.override", ["custom/a.override"]),
    ("plain-not-there", "custom/none", []),
]  # fmt: skip


def names(folder: str) -> list[str]:
    return TREE.get(folder, [])


def exists(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    return name in names(folder)


@table(("pattern", "expected"), [row[1:] for row in GLOBS], ids=[row[0] for row in GLOBS])
def test_glob(pattern: str, expected: list[str]) -> None:
    assert glob(pattern, names, exists) == expected


@table("pattern", ["[", "a[", "[a]*", "a\\", "[/x*"])
def test_malformed_patterns(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"^syntax error in pattern$"):
        glob(pattern, names, exists)


@given(st.lists(st.text("ab.*", min_size=1), unique=True), st.text("ab.?*", min_size=1))
def test_wildcards_match_as_in_fnmatch(listed: list[str], pattern: str) -> None:
    matches = glob(pattern, lambda _: listed, lambda path: path in listed)
    assert matches == sorted(fnmatch.filter(listed, pattern))


@table("path", ["a*", "?", "[", "\\"])
def test_wildcards(path: str) -> None:
    assert has_wildcard(path)


@table("path", ["a", "]", "{a,b}", "~"])
def test_no_wildcards(path: str) -> None:
    assert not has_wildcard(path)


class OnDisk:
    """Real files, as the server reads them."""

    def read(self, path: str) -> str:
        return Path(path).read_text(errors="replace")

    def glob(self, pattern: str) -> list[str]:
        return glob(
            pattern, lambda path: os.listdir(path) if Path(path).is_dir() else [], lambda path: Path(path).exists()
        )


def imported(folder: Path, wanted: str) -> list[str]:
    imports = Imports(OnDisk(), "Corefile", str(folder))
    return [token.text for token in imports.tokens(wanted, Token("", "Corefile", 1))]


def test_symbolic_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026" / "a.override").write_text("log\n")
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "a.override").symlink_to("..data/a.override")
    assert imported(tmp_path, "*.override") == ["log"]


def test_star_in_a_mounted_configmap_matches_its_folder(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    (tmp_path / "a").write_text("log\n")
    with pytest.raises(ConfigError, match=r"\.\.data: is a directory$"):
        imported(tmp_path, "*")


def test_a_dangling_link_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.x").symlink_to("nowhere")
    path = tmp_path / "a.x"
    with pytest.raises(ConfigError) as caught:
        imported(tmp_path, "*.x")
    assert caught.value.text == (f"Could not import {path}: open {path}: no such file or directory")


class Forbidden:
    """Files that exist but cannot be read."""

    def read(self, path: str) -> str:
        raise PermissionError(13, "Permission denied", path)

    def glob(self, pattern: str) -> list[str]:
        return ["/etc/a.conf"]


@pytest.mark.parametrize("wanted", ["a.conf", "*.conf"])
def test_an_unreadable_file_is_named(wanted: str) -> None:
    imports = Imports(Forbidden(), "Corefile", "/etc")
    with pytest.raises(ConfigError) as caught:
        imports.tokens(wanted, Token("", "Corefile", 3))
    assert str(caught.value) == (
        "Corefile:3 - Error during parsing: Could not import /etc/a.conf: open /etc/a.conf: permission denied"
    )


def test_invalid_utf8_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"log \xff\n")
    assert imported(tmp_path, "a") == ["log", "\ufffd"]


@pytest.mark.parametrize(
    ("wanted", "may_be_missing"),
    [
        ("none*", True),
        ("none?", True),
        (r"no\ne*", True),
        ("none]*", True),
        (r"no\]ne", True),
        ("none", False),
        (r"no\ne", False),
        (r"no\\ne", False),
        (r"no\{ne", False),
    ],
)
def test_a_missing_file_is_an_error_unless_it_is_a_pattern(wanted: str, may_be_missing: bool, tmp_path: Path) -> None:
    """CoreDNS: a name with one of ``*?[]`` is a pattern; an escape alone is not."""
    imports = Imports(OnDisk(), "Corefile", str(tmp_path))
    where = Token("", "Corefile", 1)
    if may_be_missing:
        assert imports.tokens(wanted, where) == []
        assert len(imports.warnings) == 1
        return
    with pytest.raises(ConfigError) as caught:
        imports.tokens(wanted, where)
    assert caught.value.text == f"File to import not found: {wanted}"
