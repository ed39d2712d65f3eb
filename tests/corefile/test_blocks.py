import hashlib
import json
from collections.abc import Collection, Mapping

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from minidns.corefile import blocks
from minidns.corefile.blocks import ConfigError, Corefile
from tests.corefile.test_grammar import TEXTS, InMemory
from tests.table import table


def parse(
    text: str, *, port: int = 53, known: Collection[str] | None = None, texts: Mapping[str, str] = TEXTS
) -> Corefile:
    return blocks.parse(text, files=InMemory(texts), environ={"A": "x y"}, known=known, port=port, directory="/etc")


def problems(text: str, known: Collection[str] | None = None) -> list[str]:
    errors = blocks.problems(text, files=InMemory(TEXTS), environ={}, known=known, directory="/etc")
    return [str(error) for error in errors]


def test_a_block() -> None:
    (block,) = parse("\n. Example.ORG:54 {\n log a\n errors\n log b\n}").blocks
    assert [str(key) for key in block.keys] == ["dns://.:53", "dns://example.org.:54"]
    assert (block.file, block.line) == ("Corefile", 2)
    assert [directive.name for directive in block.directives] == ["log", "errors", "log"]
    assert [directive.line for directive in block.directives] == [3, 4, 5]
    assert [directive.args for directive in block.named("log")] == [("a",), ("b",)]
    assert block.named("cache") == ()


def test_imported_block_has_the_name_of_its_file() -> None:
    first, second = parse("import blocks").blocks
    assert [(block.file, block.line) for block in (first, second)] == [("/etc/blocks", 1), ("/etc/blocks", 4)]


@table("text", ["", "# a", "(s) {\n log\n}", "import none/*", "\ufeff"])
def test_empty_corefile_is_the_built_in_default(text: str) -> None:
    (block,) = parse(text, port=1053).blocks
    assert [str(key) for key in block.keys] == ["dns://.:1053"]
    assert [directive.name for directive in block.directives] == ["whoami", "log"]


def test_keys_alone_serve_without_directives() -> None:
    (block,) = parse("example.org").blocks
    assert [str(key) for key in block.keys] == ["dns://example.org.:53"]
    assert block.directives == ()


def test_extra_closing_brace_is_a_zone() -> None:
    _, second = parse(". {\n log\n}\n}").blocks
    assert [str(key) for key in second.keys] == ["dns://}.:53"]


def test_files_read() -> None:
    assert parse("a {\n import custom/*.c\n}").files == (
        "Corefile",
        "/etc/custom/.h.c",
        "/etc/custom/1.c",
        "/etc/custom/2.c",
        "/etc/custom/more/x",
    )


def test_warnings() -> None:
    text = "a {\n import custom/*.none\n health {\n  lameduck 5s }\n}"
    assert parse(text).warnings == (
        "No files matching import glob pattern: custom/*.none",
        "Corefile:4 - the closing brace of 'health' stands on the line of 'lameduck':"
        " CoreDNS may take it for an argument",
    )


INSPECTING = "error inspecting server blocks: "
REFUSES = [
    ("no-name", "a..b {\n}", f"{INSPECTING}zone is not a valid domain name: a..b"),
    ("no-port", "a: {\n}", f'{INSPECTING}expecting data after last colon: "a:"'),
    ("comma-alone", ", a {\n}", f'{INSPECTING}expecting data after last colon: ""'),
    ("glued-brace", ".:53{\n log\n}", f"{INSPECTING}zone is not a valid domain name: .:53{{"),
    ("first-bad-key", "a..b c..d {\n}\ne..f {\n}", f"{INSPECTING}zone is not a valid domain name: a..b"),
    ("grammar-before-keys", "a..b {\n}\nc {", "Corefile:3 - Syntax error: Unexpected token '{', expecting '}'"),
    ("port-too-large", ".:65536 {\n}", "address 65536: invalid port"),
    ("port-negative", ".:-1 {\n}", "address -1: invalid port"),
    ("twice", "a {\n}\nA. {\n}", "cannot serve dns://a.:53 - it is already defined"),
    ("twice-in-a-block", "a a:53 {\n}", "cannot serve dns://a.:53 - it is already defined"),
    ("twice-by-network", "10.0.0.0/15 1.10.in-addr.arpa {\n}", "cannot serve dns://1.10.in-addr.arpa.:53 - it is already defined"),
    ("bound-twice", "a {\n bind 192.0.2.1\n}\na {\n bind 192.0.2.1\n}", "cannot serve dns://a.:53 on 192.0.2.1 - it is already defined"),
    ("bound-and-not", "a {\n bind 192.0.2.1\n}\na {\n}", "cannot serve dns://a.:53 - zone overlap listener capacity with dns://a.:53 on 192.0.2.1"),
    ("view-bound", "a {\n}\na {\n view v {\n  expr true\n }\n bind ::1\n}", "cannot serve dns://a.:53 on ::1 - zone overlap listener capacity with dns://a.:53"),
]  # fmt: skip


@table(("text", "error"), [row[1:] for row in REFUSES], ids=[row[0] for row in REFUSES])
def test_refuses(text: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert str(caught.value) == error
    assert caught.value.line > 0
    assert error in problems(text)


SERVES = [
    ("ports", "a {\n}\na:54 {\n}"),
    ("transports", "a {\n}\ntls://a {\n}"),
    ("addresses", "a {\n bind 192.0.2.1\n}\na {\n bind 192.0.2.2\n}"),
    ("interfaces-are-not-known-here", "a {\n bind eth0\n}\na {\n bind eth0\n}"),
    ("views", "a {\n view v {\n  expr true\n }\n}\na {\n view w {\n  expr true\n }\n}\na {\n}"),
    ("port-zero", ".:0 {\n}"),
    ("unix", "unix:///run/dns.sock {\n}"),
]


@table("text", [row[1] for row in SERVES], ids=[row[0] for row in SERVES])
def test_serves(text: str) -> None:
    assert parse(text).blocks
    assert problems(text) == []


def test_all_problems_are_reported() -> None:
    text = "a..b {\n foo\n}\nc: {\n log\n import none\n}\nd {\n bar\n}\nd {\n}\ne {\n log"
    assert problems(text, known=("log",)) == [
        "Corefile:2 - Error during parsing: Unknown directive 'foo'",
        "Corefile:6 - Error during parsing: File to import not found: none",
        "Corefile:9 - Error during parsing: Unknown directive 'bar'",
        "Corefile:14 - Syntax error: Unexpected token 'log', expecting '}'",
        f"{INSPECTING}zone is not a valid domain name: a..b",
        f'{INSPECTING}expecting data after last colon: "c:"',
        "cannot serve dns://d.:53 - it is already defined",
    ]


def test_number_of_problems_is_limited() -> None:
    text = "a {\n" + " foo\n" * 1000 + "}\n" + "b {\n}\n" * 1000
    assert len(problems(text, known=("log",))) == blocks.MAX_PROBLEMS


def test_problems_have_hints() -> None:
    (no_error,) = blocks.problems("a.b:53} {\n}", files=InMemory({}), environ={}) or (None,)
    assert no_error is None
    (error,) = blocks.problems(".:53{\n}", files=InMemory({}), environ={})
    assert error.hint == "put a blank before the brace"


def digest_of(structure: object) -> str:
    written = json.dumps(structure, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha512(written.encode()).hexdigest()


def token(line: int, text: str, file: str = "") -> dict[str, str | int]:
    return {"File": file, "Line": line, "Text": text}


def test_the_digest_is_over_keys_and_tokens() -> None:
    text = "A, b:53 {\n log x {\n }\n errors {$A}\n import one\n log y\n}"
    assert parse(text).digest == digest_of(
        [
            {
                "Keys": ["A", "b:53"],
                "Tokens": {
                    "errors": [token(4, "errors"), token(4, "x y")],
                    "log": [
                        *(token(2, "log"), token(2, "x"), token(2, "{"), token(3, "}")),
                        *(token(6, "log"), token(6, "y")),
                    ],
                    "whoami": [token(1, "whoami", "/etc/one"), token(1, "one", "/etc/one")],
                },
            }
        ]
    )


def test_the_digest_of_an_empty_corefile() -> None:
    assert parse("").digest == hashlib.sha512(b"null").hexdigest()


def test_the_digest_escapes_as_go_does() -> None:
    written = (
        r'[{"Keys":["a"],"Tokens":{"log":[{"File":"","Line":2,"Text":"log"},'
        r'{"File":"","Line":2,"Text":"\u003c\u003e\u0026\u2028é\"\\"}]}}]'
    )
    text = 'a {\n log "<>&\u2028é\\"\\\\"\n}'
    expected = hashlib.sha512(written.replace(r"\\", r"\\\\").encode()).hexdigest()
    assert parse(text).digest == expected


SAME = "a {\n log x\n}\n"


@table(
    ("text", "same"),
    [
        ("a {   # what\n\tlog  x\n} # end\n", True),
        ('"a" {\n log "x"\n}', True),
        ("a {\r\n log x\r\n}\r\n", True),
        ("\na {\n log x\n}\n", False),
        ("a {\n log y\n}\n", False),
        ("b {\n log x\n}\n", False),
    ],
    ids=["comments", "quotes", "line-ends", "moved", "argument", "key"],
)
def test_the_digest_changes_with_what_matters(text: str, same: bool) -> None:
    assert (parse(text).digest == parse(SAME).digest) is same


def test_the_digest_changes_with_an_imported_file() -> None:
    text = "a {\n import one\n}"
    changed = {**TEXTS, "/etc/one": "whoami two\n"}
    assert parse(text).digest != parse(text, texts=changed).digest


PIECES = st.sampled_from(
    [
        *("a", "b.c:53", "{", "}", "\n", "\n", "log", "errors", "import", "(s)", "s"),
        *(",", "x,", "#", "{$A}", "{$B}", "one", "custom/*.c", "nested", "ring", "*"),
        *("10.0.0.0/15", "bind", "view", "192.0.2.1", "::/0", "a..b", "tls://", ":"),
        *("\r", "\\", '"'),
    ]
)
COREFILES = st.lists(PIECES, max_size=40).map(" ".join)
VALUES = st.dictionaries(st.sampled_from("AB"), st.text('{}$%AB \n",', max_size=12))


@pytest.mark.slow
@given(COREFILES | st.text(), VALUES)
@example("import", {})
@example("import self", {})
@example("(s) {\n import ring\n}\na {\n import s\n}", {})
@example("a,\nimport empty", {})
@example("a {\n {$A}\n}", {"A": "{$A}"})
def test_any_text_parses_or_is_refused(text: str, environ: dict[str, str]) -> None:
    files = InMemory({**TEXTS, "/etc/ring": "import s\nlog {\n"})
    errors = blocks.problems(text, files=files, environ=environ, directory="/etc")
    try:
        parsed = blocks.parse(text, files=files, environ=environ, directory="/etc")
    except ConfigError as error:
        refused = str(error)
    else:
        refused = ""
        assert parsed.blocks
        assert all(block.keys for block in parsed.blocks)
    assert bool(refused) is bool(errors)
    assert not refused or refused in [str(error) for error in errors]
