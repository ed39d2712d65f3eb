"""Cases of the Corefile grammar: the parsed blocks or the error of a text."""

from collections.abc import Collection, Mapping

import pytest

from minidns.corefile import imports
from minidns.corefile.directives import Directive, occurrences
from minidns.corefile.errors import ConfigError
from minidns.corefile.grammar import Grammar, RawBlock
from tests.table import table

P = "Error during parsing: "
ENVIRON = {
    "ZONE": "example.org",
    "PORT": "1053",
    "WORDS": "a b",
    "NAME": "whoami",
    "OPEN": "{",
    "LINES": "a\nb",
    "FILE": "one",
    "COMMA": "a,",
}
TEXTS = {
    "/etc/one": "whoami one\n",
    "/etc/two": "log two\n",
    "/etc/nested": "import one\nimport custom/*.c\nlog {\n import options\n}\n",
    "/etc/options": "class all\nclass error\n",
    "/etc/blocks": "a {\n log\n}\nb {\n log\n}\n",
    "/etc/keys": "a, b,\n",
    "/etc/open": "a {\n log\n",
    "/etc/self": "log\nimport self\n",
    "/etc/empty": "# nothing\n",
    "/etc/quoted": '"import" one\n',
    "/etc/custom/1.c": "errors 1\n",
    "/etc/custom/2.c": "errors 2\nimport more/x\n",
    "/etc/custom/.h.c": "errors hidden\n",
    "/etc/custom/more/x": "errors deep\n",
    "/etc/custom/x.other": "errors other\n",
    "/abs/a.c": "errors abs\n",
}


class InMemory:
    """Files by path."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts
        self.reads: list[str] = []

    def read(self, path: str) -> str:
        self.reads.append(path)
        if path in self.texts:
            return self.texts[path]
        if self.names(path):
            raise IsADirectoryError(21, "Is a directory", path)
        raise FileNotFoundError(2, "No such file or directory", path)

    def glob(self, pattern: str) -> list[str]:
        return imports.glob(pattern, self.names, lambda path: path in self.texts)

    def names(self, path: str) -> list[str]:
        folder = path.rstrip("/") + "/"
        below = [name for name in self.texts if name.startswith(folder)]
        return sorted({name[len(folder) :].partition("/")[0] for name in below})


def read(
    text: str,
    texts: Mapping[str, str] = TEXTS,
    known: Collection[str] | None = None,
    reported: list[ConfigError] | None = None,
) -> Grammar:
    def report(error: ConfigError) -> None:
        if reported is None:
            raise error
        reported.append(error)

    grammar = Grammar(text, "F", InMemory(texts), ENVIRON, known=known, report=report, directory="/etc")
    grammar.read()
    return grammar


def show(block: RawBlock) -> str:
    directives = [
        show_directive(directive)
        for name, tokens in block.tokens.items()
        for directive in occurrences(name, [token for _, token in tokens])
    ]
    return f"{' '.join(block.keys)}: {' | '.join(directives)}".rstrip()


def show_directive(directive: Directive) -> str:
    lines = [" ".join(t.text for t in line.tokens) for line in directive.block]
    block = [f"[{'; '.join(lines)}]"] if directive.has_block else []
    return " ".join([directive.name, *directive.args, *block])


READS = [
    # keys
    ("block", "a {\n log\n}", ["a: log"]),
    ("block-empty", "a {\n}", ["a:"]),
    ("block-empty-on-a-line", "a { }", ["a:"]),
    ("blocks", "a {\n log\n}\nb {\n errors\n}", ["a: log", "b: errors"]),
    ("block-follows-on-the-line", "a {\n log\n} b {\n errors\n}", ["a: log", "b: errors"]),
    ("keys", "a b:53 tls://c {\n}", ["a b:53 tls://c:"]),
    ("keys-comma", "a, b {\n}", ["a b:"]),
    ("keys-comma-alone", "a , b {\n}", ["a  b:"]),
    ("keys-comma-next-line", "a,\nb {\n}", ["a b:"]),
    ("keys-comma-two-lines", "a,\n\n# c\nb,\nc {\n}", ["a b c:"]),
    ("keys-one-comma-is-stripped", "a,, b {\n}", ["a, b:"]),
    ("keys-comma-inside", "a,b {\n}", ["a,b:"]),
    ("keys-empty-token-is-none", '"" a {\n}', ["a:"]),
    ("keys-quoted", '"a" {\n}', ["a:"]),
    ("keys-import-not-at-line-start", "a import b {\n}", ["a import b:"]),
    ("keys-glued-brace", "a{\n log\n}", ["a{: log"]),
    ("keys-only", "a b", ["a b:"]),
    ("keys-only-in-brackets", "(a)", ["(a):"]),
    ("brace-on-next-line", "a\n{\n log\n}", ["a: log"]),
    ("brace-after-blank-lines", "a\n\n# c\n{\n log\n}", ["a: log"]),
    ("no-keys-block-is-dropped", "{\n log\n}\nb {\n}", ["b:"]),
    # no braces
    ("no-braces", "a\nlog\nerrors x", ["a: log | errors x"]),
    ("no-braces-with-blocks", "a\nlog {\n class all\n}\nerrors", ["a: log [class all] | errors"]),
    ("no-braces-two-keys", "a b\nlog", ["a b: log"]),
    ("no-braces-ended-by-brace", "a\nlog\n}\nb {\n}", ["a: log", "b:"]),
    ("closing-brace-too-many-is-a-zone", "a {\n log\n}\n}", ["a: log", "}:"]),
    # nothing
    ("nothing", "", []),
    ("comments-only", "# a\n\n# b", []),
    ("snippets-only", "(a) {\n log\n}", []),
    # directives
    ("arguments", "a {\n log . x\n}", ["a: log . x"]),
    ("argument-empty", 'a {\n log "" x\n}', ["a: log  x"]),
    ("argument-quoted-over-lines", 'a {\n log "x\ny" z\n errors\n}', ["a: log x\ny z | errors"]),
    ("argument-import", "a {\n log import one\n}", ["a: log import one"]),
    ("options", "a {\n log {\n  x 1\n  y\n }\n}", ["a: log [x 1; y]"]),
    ("options-none", "a {\n errors {\n }\n}", ["a: errors []"]),
    ("options-none-on-a-line", "a {\n errors { }\n}", ["a: errors []"]),
    ("options-on-a-line", "a {\n log { x 1 }\n errors\n}", ["a: log [x 1] | errors"]),
    ("options-after-arguments", "a {\n log . {\n  x\n }\n}", ["a: log . [x]"]),
    ("options-brace-on-next-line", "a {\n log\n {\n  x\n }\n}", ["a: log | log | log | log"]),
    ("options-end-with-file", "a {\n log {\n  x\n}\n", ["a: log [x]"]),
    ("options-quoted-brace-opens", 'a {\n log "{"\n x\n }\n}', ["a: log [x]"]),
    ("options-nest", "a {\n log {\n  x {\n   y\n  }\n }\n}", ["a: log [x; {; y] | log"]),
    ("repeated", "a {\n log x\n errors\n log y\n}", ["a: log x | log y | errors"]),
    ("repeated-with-options", "a {\n log {\n x\n }\n log {\n y\n }\n}", ["a: log [x] | log [y]"]),
    ("crlf", "a {\r\n log x\r\n}\r\n", ["a: log x"]),
    # environment
    ("environment-key", "{$ZONE}:{%PORT%} {\n}", ["example.org:1053:"]),
    ("environment-key-unset", "a{$NONE} {\n}", ["a:"]),
    ("environment-key-unset-alone-is-none", "{$NONE} a {\n}", ["a:"]),
    ("environment-key-with-comma", "{$COMMA} b {\n}", ["a b:"]),
    ("environment-name", "a {\n {$NAME}\n}", ["a: whoami"]),
    ("environment-argument", "a {\n log {$PORT}\n}", ["a: log 1053"]),
    ("environment-words-stay-one", "a {\n log {$WORDS} c\n}", ["a: log a b c"]),
    ("environment-unset-is-an-argument", "a {\n log {$NONE} x\n}", ["a: log  x"]),
    ("environment-opens-no-block", "a {\n log x {$NONE}\n log y\n}", ["a: log x  | log y"]),
    ("environment-option", "a {\n log {\n  {$NAME} {$PORT}\n }\n}", ["a: log [whoami 1053]"]),
    ("environment-lines-end-the-line", "a {\n log {$LINES} x\n}", ["a: log a\nb | log"]),
    # snippets
    ("snippet", "(s) {\n log x\n}\na {\n import s\n}", ["a: log x"]),
    ("snippet-brace-on-next-line", "(s)\n{\n log\n}\na {\n import s\n}", ["a: log"]),
    ("snippet-empty", "(s) {\n}\na {\n import s\n errors\n}", ["a: errors"]),
    ("snippet-in-order", "(s) {\n log\n}\na {\n errors\n import s\n any\n}", ["a: errors | log | any"]),
    ("snippet-twice-in-blocks", "(s) {\n log\n}\na {\n import s\n}\nb {\n import s\n}", ["a: log", "b: log"]),
    ("snippet-in-options", "(s) {\n x 1\n y\n}\na {\n log {\n  import s\n  z\n }\n}", ["a: log [x 1; y; z]"]),
    ("snippet-in-snippet", "(s) {\n log\n}\n(t) {\n import s\n any\n}\na {\n import t\n}", ["a: log | any"]),
    ("snippet-with-blocks", "(s) {\n a {\n  log\n }\n}\nimport s\nb {\n}", ["a: log", "b:"]),
    ("snippet-before-file", "(one) {\n log\n}\na {\n import one\n}", ["a: log"]),
    ("snippet-environment", "(s) {\n log {$PORT}\n}\na {\n import s\n}", ["a: log 1053"]),
    ("snippet-name-by-environment", "(one) {\n log\n}\na {\n import {$FILE}\n}", ["a: log"]),
    ("snippet-repeated-line-is-one", "(s) {\n log x\n}\na {\n import s\n import s\n}", ["a: log x log x"]),
    ("snippet-two-keys-is-a-block", "(s) b {\n log\n}", ["(s) b: log"]),
    ("snippet-word-import-within-line", "(s) {\n log import s\n}\na {\n import s\n}", ["a: log import s"]),
    # files
    ("file", "a {\n import one\n}", ["a: whoami one"]),
    ("file-absolute", "a {\n import /abs/a.c\n}", ["a: errors abs"]),
    ("file-dotted", "a {\n import ./custom/../one\n}", ["a: whoami one"]),
    ("file-by-environment", "a {\n import {$FILE}\n}", ["a: whoami one"]),
    ("file-empty", "a {\n import empty\n log\n}", ["a: log"]),
    ("file-at-top", "import blocks\nc {\n}", ["a: log", "b: log", "c:"]),
    ("file-at-end", "c {\n}\nimport blocks", ["c:", "a: log", "b: log"]),
    ("file-of-keys", "import keys\nc {\n}", ["a b c:"]),
    ("file-of-nothing-at-top", "import empty", []),
    ("file-in-options", "a {\n log {\n  import options\n }\n}", ["a: log [class all; class error]"]),
    ("file-in-options-on-the-line-is-a-word", "a {\n log { import options\n }\n}", ["a: log [import options]"]),
    ("file-relative-to-its-importer", "a {\n import custom/2.c\n}", ["a: errors 2 | errors deep"]),
    ("file-nested", "a {\n import nested\n}", ["a: whoami one | errors hidden | errors 1 | errors 2 | errors deep | log [class all; class error]"]),
    ("file-opens-a-block", "import open\n}\nb {\n}", ["a: log", "b:"]),
    ("file-quoted-import-is-one-too", "a {\n import quoted\n}", ["a: whoami one"]),
    # globs
    ("glob", "a {\n import custom/*.c\n}", ["a: errors hidden | errors 1 | errors 2 | errors deep"]),
    ("glob-question-mark", "a {\n import custom/?.c\n}", ["a: errors 1 | errors 2 | errors deep"]),
    ("glob-both-wildcards-once", "a {\n import cus*/?.other\n}", ["a: errors other"]),
    ("glob-absolute", "a {\n import /abs/*\n}", ["a: errors abs"]),
    ("glob-nothing", "a {\n import none/*.c\n log\n}", ["a: log"]),
    ("glob-nothing-at-top", "import none/*.c\na {\n}", ["a:"]),
    ("glob-nothing-alone", "import none/*.c", []),
]  # fmt: skip


@table(("text", "expected"), [row[1:] for row in READS], ids=[row[0] for row in READS])
def test_reads(text: str, expected: list[str]) -> None:
    assert [show(block) for block in read(text).blocks] == expected


RING = {"/etc/r": "import s\n", "/etc/s": "import r\n"}
TAIL = {"/etc/t": "import t\n" + "log x\n" * 1000}
WRONG = "Wrong argument count or unexpected line ending after "
REFUSES = [
    ("key-comma-then-brace", "a, {\n}", f"F:1 - {P}Expected another address but had '{{' - check for extra comma"),
    ("key-comma-then-brace-below", "a,\n{\n}", f"F:2 - {P}Expected another address but had '{{' - check for extra comma"),
    ("key-comma-then-nothing", "a,\n", f"F:1 - {P}Unexpected EOF"),
    ("key-comma-then-empty-import", "a,\nimport empty", f"F:0 - {P}Unexpected EOF"),
    ("block-open", "a {\n log x", "F:2 - Syntax error: Unexpected token 'x', expecting '}'"),
    ("block-open-empty", "a {", "F:1 - Syntax error: Unexpected token '{', expecting '}'"),
    ("block-open-after-import", "a {\n log x\n import empty", "F:2 - Syntax error: Unexpected token 'x', expecting '}'"),
    ("options-open", "a {\n log {\n  x", f"F:3 - {P}Unexpected EOF"),
    ("options-nested-open", "a {\n log {\n  x {\n }\n", f"F:4 - {P}Unexpected EOF"),
    ("brace-closes-on-the-line", "a {\n log }\n", f"F:2 - {P}Unexpected '}}' because no matching opening brace"),
    ("brace-closes-twice", "a {\n log { } }\n", f"F:2 - {P}Unexpected '}}' because no matching opening brace"),
    ("snippet-no-brace", "(s)\nlog", "F:2 - Syntax error: Unexpected token 'log', expecting '{'"),
    ("snippet-open", "(s) {\n log {\n }\n", "F:3 - Syntax error: Unexpected token '}', expecting '}'"),
    ("snippet-again", "(s) {\n}\n(s) {\n}", f"F:3 - {P}redeclaration of previously declared snippet s"),
    ("snippet-of-itself", "(s) {\n log\n import s\n}", f"F:4 - {P}maximum snippet import depth (10000) exceeded"),
    ("snippet-of-itself-by-environment", "(one) {\n import {$FILE}\n}", f"F:3 - {P}maximum snippet import depth (10000) exceeded"),
    ("snippet-ring", "(s) {\n import t\n}\n(t) {\n import s\n}\na {\n import s\n}", f"F:5 - {P}maximum snippet import depth (10000) exceeded"),
    ("import-nothing", "import\n", f"F:1 - {P}{WRONG}'import'"),
    ("import-nothing-in-block", "a {\n import\n log\n}", f"F:2 - {P}{WRONG}'import'"),
    ("import-empty", 'a {\n import ""\n}', f"F:2 - {P}Import requires a non-empty filepath"),
    ("import-unset", "a {\n import {$NONE}\n}", f"F:2 - {P}Import requires a non-empty filepath"),
    ("import-two", "a {\n import one two\n}", f"F:2 - {P}Import takes only one argument (glob pattern or file)"),
    ("import-missing", "a {\n import none\n}", f"F:2 - {P}File to import not found: none"),
    ("import-missing-absolute", "a {\n import /none\n}", f"F:2 - {P}File to import not found: /none"),
    ("import-missing-in-imported", "import custom/bad", "/etc/custom/bad:2 - " + P + "File to import not found: one"),
    ("import-brace", "a {\n import {\n}", f"F:2 - {P}File to import not found: {{"),
    ("import-no-home", "a {\n import ~/x\n}", f"F:2 - {P}File to import not found: ~/x"),
    ("import-folder", "a {\n import custom\n}", f"F:2 - {P}Could not import /etc/custom: is a directory"),
    ("import-folder-by-glob", "a {\n import custom/m*\n}", f"F:2 - {P}Could not import /etc/custom/more: is a directory"),
    ("import-two-stars", "a {\n import custom/**\n}", f"F:2 - {P}Glob pattern may only contain one wildcard (*), but has others: /etc/custom/**"),
    ("import-two-question-marks", "a {\n import ??\n}", f"F:2 - {P}Glob pattern may only contain one wildcard (*), but has others: /etc/??"),
    ("import-set", "a {\n import [a]\n}", f"F:2 - {P}Glob pattern may only contain one wildcard (*), but has others: /etc/[a]"),
    ("import-bad-pattern", "a {\n import [a\n}", f"F:2 - {P}Failed to use import pattern [a: syntax error in pattern"),
    ("import-of-itself", "a {\n import self\n}", f"/etc/self:2 - {P}maximum file import depth (10000) exceeded"),
    ("import-ring", "a {\n import r\n}", f"/etc/s:1 - {P}maximum file import depth (10000) exceeded"),
    ("import-that-grows", "a {\n import t\n}", f"/etc/t:1 - {P}maximum file import depth (10000) exceeded"),
    ("environment-of-itself", "a {\n log {$LOOP}\n}", f"F:2 - {P}environment variable LOOP refers to itself"),
]  # fmt: skip


@table(("text", "error"), [row[1:] for row in REFUSES], ids=[row[0] for row in REFUSES])
def test_refuses(text: str, error: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENVIRON, "LOOP", "{$LOOP}")
    monkeypatch.setattr(imports, "MAX_IMPORTS", 1000)  # reached sooner
    texts = {**TEXTS, **RING, **TAIL, "/etc/custom/bad": "a {\n import one\n}\n"}
    with pytest.raises(ConfigError) as caught:
        read(text, texts)
    assert str(caught.value) == error


KNOWN = ("errors", "log", "forward", "kubernetes", "prometheus")
UNKNOWN = [
    ("mistyped", "a {\n forwrad . x\n}", "F:2", "forwrad", "did you mean 'forward'?"),
    ("removed", "a {\n proxy . x\n}", "F:2", "proxy", "did you mean 'forward'?"),
    ("other-name", "a {\n metrics\n}", "F:2", "metrics", "did you mean 'prometheus'?"),
    ("strange", "a {\n xyzzy\n}", "F:2", "xyzzy", ""),
    ("brace", "a {\n {\n }\n}", "F:2", "{", ""),
    ("imported", "a {\n log\n import one\n}", "/etc/one:1", "whoami", ""),
    ("by-environment", "a {\n log\n {$NAME}\n}", "F:3", "whoami", ""),
    ("zone", "a {\n log\nb.c {\n log\n}", "F:3", "b.c", "a zone within a server block: is a '}' missing?"),
]


@table(("text", "where", "name", "hint"), [row[1:] for row in UNKNOWN], ids=[row[0] for row in UNKNOWN])
def test_unknown_directives(text: str, where: str, name: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text, known=KNOWN)
    assert str(caught.value) == f"{where} - {P}Unknown directive '{name}'"
    assert caught.value.hint == hint


def test_an_unused_snippet_is_not_checked() -> None:
    assert read("(s) {\n xyzzy\n}\na {\n log\n}", known=KNOWN).blocks


def test_parsing_continues_after_a_reported_error() -> None:
    reported: list[ConfigError] = []
    text = "(s) {\n}\n(s) {\n log\n}\na {\n foo\n import none\n log\n bar\n import s\n}"
    grammar = read(text, known=KNOWN, reported=reported)
    assert [error.line for error in reported] == [3, 7, 8, 10]
    assert [show(block) for block in grammar.blocks] == ["a: foo | log | bar"]


def test_a_file_is_read_once() -> None:
    files = InMemory(TEXTS)
    text = "a {\n import one\n}\nb {\n import one\n import custom/*.c\n}"

    def report(error: ConfigError) -> None:
        raise error

    grammar = Grammar(text, "F", files, {}, known=None, report=report, directory="/etc")
    grammar.read()
    assert sorted(files.reads) == sorted(set(files.reads))
    assert grammar.imports.read == ("F", *files.reads)
