"""Parses tokens into server blocks: keys, braces, directives, snippets, imports.

Theory of operation. The parser reads tokens one by one from a stack. It replaces an
``import`` by pushing the imported tokens, so that the cost of an import is proportional
to its size and nothing is read twice. It looks at most one token ahead. Whether a token
begins a line depends on the token before it, whichever files both came from.
Environment references are replaced late, token by token: a value can neither open a
block nor add a line (caddyfile parser).

An error after which parsing can continue goes to ``report``, which may raise or store
it; any other error is raised.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from minidns.corefile.errors import ConfigError
from minidns.corefile.imports import Files, Imports
from minidns.corefile.lexer import Token, expand, scan

Report: TypeAlias = Callable[[ConfigError], None]

MAX_SNIPPETS = 10_000
"""Number of snippets that one Corefile may import (caddyfile parser)."""
MAX_ADDED = 1 << 20
"""limit: characters that environment variables may add; CoreDNS takes any number."""
MAX_TOKENS = 1_000_000
"""limit: tokens that all imports may add; CoreDNS goes on until memory ends."""

_SUCCESSORS = {"proxy": "forward", "metrics": "prometheus"}
"""Suggestions for directives that were removed or are often assumed to exist."""


class Placed(NamedTuple):
    """A token of a directive and its place among all tokens of its server block."""

    place: int
    token: Token


@dataclass(slots=True)
class RawBlock:
    """A server block before its keys and directives are interpreted."""

    start: Token
    """The token of the first key."""
    keys: list[str] = field(default_factory=list)
    tokens: dict[str, list[Placed]] = field(default_factory=dict)
    """The tokens of all occurrences of each directive, in file order."""


class Grammar:
    """The parser of one Corefile; ``read`` fills ``blocks``."""

    def __init__(
        self,
        text: str,
        file: str,
        files: Files,
        environ: Mapping[str, str],
        *,
        known: Collection[str] | None,
        report: Report,
        directory: str = "",
    ) -> None:
        self.blocks: list[RawBlock] = []
        self.imports = Imports(files, file, directory)
        self._environ = environ
        self._known = known
        self._report = report
        self._stack = list(scan(text, file))[::-1]
        self._start = Token("", file, 0)
        self._before = self._token = self._start
        self._snippets: dict[str, list[Token]] = {}
        self._snippets_used = 0
        self._pushed = 0
        self._added = 0
        self._place = 0

    def read(self) -> None:
        """Fill ``blocks`` with the server blocks, in file order.

        Raises:
            ConfigError: the rest of the file cannot be parsed.

        """
        while self._advance():
            block = RawBlock(self._token)
            self._read_block(block)
            if block.keys:
                self.blocks.append(block)

    # tokens

    def _advance(self) -> bool:
        """Move to the next token; return False at the end."""
        if not self._stack:
            return False
        self._before, self._token = self._token, self._stack.pop()
        return True

    @property
    def _ahead(self) -> Token | None:
        return self._stack[-1] if self._stack else None

    def _push(self, tokens: Iterable[Token]) -> None:
        """Push ``tokens``, so that they are read next."""
        added = list(tokens)
        self._pushed += len(added)
        if self._pushed > MAX_TOKENS:
            raise self._error(_too_deep("file"))
        self._stack.extend(reversed(added))

    def _expand(self, text: str) -> str:
        try:
            expanded = expand(text, self._environ)
        except ValueError as error:
            raise self._error(str(error)) from error
        self._added += max(0, len(expanded) - len(text))
        if self._added > MAX_ADDED:
            raise self._error("too much comes from environment variables")
        return expanded

    def _error(self, text: str) -> ConfigError:
        return ConfigError.at(self._token, text)

    def _syntax_error(self, expected: str) -> ConfigError:
        return ConfigError.syntax(self._token, self._token.text, expected)

    # blocks

    def _read_block(self, block: RawBlock) -> None:
        if not self._read_keys(block):
            return  # keys alone: a server without plugins
        if len(block.keys) == 1 and block.keys[0][:1] + block.keys[0][-1:] == "()":
            self._define(block.keys.pop()[1:-1])
        elif self._token.text == "{":
            self._read_directives(block)
            if self._token.text != "}":
                raise self._syntax_error("}")
        else:  # no braces: the one block of the file
            self._stack.append(self._token)
            self._token = self._before
            self._read_directives(block)

    def _read_keys(self, block: RawBlock) -> bool:
        """Read keys to the brace or the end of their line; False at the end of file."""
        another = False
        while True:
            key = self._expand(self._token.text)
            if key == "import" and self._token.begins_line(self._before):
                self._import()
                if not self._advance():
                    self._token = self._start
                continue
            if key == "{":
                if another:
                    raise self._error(
                        "Expected another address but had '{' - check for extra comma"
                    )
                return True
            if key:
                another = key.endswith(",")
                block.start = self._token if not block.keys else block.start
                block.keys.append(key.removesuffix(","))
            if not self._advance():
                if another:
                    raise self._error("Unexpected EOF")
                return False
            if not another and self._token.begins_line(self._before):
                return True

    def _read_directives(self, block: RawBlock) -> None:
        """Read directives up to the closing brace or the end of the file."""
        while self._advance():
            if self._token.text == "}":
                return
            if self._token.text == "import":
                self._import()
            else:
                self._read_directive(block)

    def _read_directive(self, block: RawBlock) -> None:
        name = self._expand(self._token.text)
        if self._known is not None and name not in self._known:
            self._report(self._unknown(name))
        tokens = block.tokens.setdefault(name, [])
        self._append(tokens, self._token)
        depth = 0
        # an opening brace continues the directive from any line (caddyfile parser)
        while self._ahead and (
            depth or self._ahead.text == "{" or not self._ahead.begins_line(self._token)
        ):
            self._advance()
            if self._token.text == "{":
                depth += 1
            elif self._token.text == "}":
                if not depth:
                    raise self._error(
                        "Unexpected '}' because no matching opening brace"
                    )
                depth -= 1
            elif self._token.text == "import" and self._token.begins_line(self._before):
                self._import()
                continue
            token = self._token
            self._token = replace(token, text=self._expand(token.text))
            self._append(tokens, self._token)
        if depth:
            raise self._error("Unexpected EOF")

    def _append(self, tokens: list[Placed], token: Token) -> None:
        tokens.append(Placed(self._place, token))
        self._place += 1

    def _unknown(self, name: str) -> ConfigError:
        error = self._error(f"Unknown directive '{name}'")
        near = get_close_matches(name, self._known or (), n=1)
        suggestion = _SUCCESSORS.get(name) or (near[0] if near else "")
        if suggestion:
            return error.hinting(f"did you mean '{suggestion}'?")
        zone = "." in name or ":" in name
        hint = "a zone within a server block: is a '}' missing?"
        return error.hinting(hint) if zone else error

    # snippets and imports

    def _define(self, name: str) -> None:
        """Store the block that opens here as the snippet ``name``."""
        existing = self._snippets.get(name)
        if existing is not None:
            text = f"redeclaration of previously declared snippet {name}"
            self._report(self._error(text))
        if self._token.text != "{":
            raise self._syntax_error("{")
        body = self._read_body()
        if self._imports_itself(name, body):
            raise self._error(_too_deep("snippet"))
        self._snippets.setdefault(name, body)

    def _read_body(self) -> list[Token]:
        body: list[Token] = []
        depth = 1
        while self._advance():
            depth += (self._token.text == "{") - (self._token.text == "}")
            if not depth:
                return body
            body.append(self._token)
        raise self._syntax_error("}")

    def _imports_itself(self, name: str, body: list[Token]) -> bool:
        before = self._start
        for token, after in pairwise(body):
            begins = (before.file, before.line) != (token.file, token.line)
            if begins and token.text == "import" and self._expand(after.text) == name:
                return True
            before = token
        return False

    def _import(self) -> None:
        """Replace ``import X`` at the current position by the tokens of X.

        Afterwards the token before is the current one, and those of X are next.
        """
        before, keyword = self._before, self._token
        if not (self._ahead and self._ahead.continues(keyword)):
            raise ConfigError.arguments(keyword, keyword.text)
        self._advance()
        wanted = self._expand(self._token.text)
        if not wanted:
            raise self._error("Import requires a non-empty filepath")
        if self._ahead and self._ahead.continues(self._token):
            self._advance()
            raise self._error("Import takes only one argument (glob pattern or file)")
        self._push(self._imported(wanted))
        self._token = before

    def _imported(self, wanted: str) -> Iterable[Token]:
        snippet = self._snippets.get(wanted)
        if snippet is None:
            try:
                return self.imports.tokens(wanted, self._token)
            except ConfigError as error:
                self._report(error)
                return ()
        if self._snippets_used == MAX_SNIPPETS:
            raise self._error(_too_deep("snippet"))
        self._snippets_used += 1
        return snippet


def _too_deep(what: str) -> str:
    return f"maximum {what} import depth ({MAX_SNIPPETS}) exceeded"
