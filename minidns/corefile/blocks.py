"""Parses Corefile text into server blocks: zones, ports and directives.

The grammar and its messages are those of CoreDNS. This module knows the meaning of two
directives only: *bind* and *view* decide whether two blocks conflict.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat

from minidns.corefile import keys as zones
from minidns.corefile.directives import Directive as Directive
from minidns.corefile.directives import Line as Line
from minidns.corefile.directives import occurrences
from minidns.corefile.errors import ConfigError as ConfigError
from minidns.corefile.errors import without
from minidns.corefile.grammar import Grammar, RawBlock, Report
from minidns.corefile.imports import Files as Files
from minidns.corefile.keys import Claim, Key
from minidns.corefile.lexer import Token as Token
from minidns.dns.networks import is_address

MAX_PORT = 65535
MAX_PROBLEMS = 100
"""limit: problems that are reported."""


@dataclass(frozen=True, slots=True)
class ServerBlock:
    """The keys before ``{`` and the directives inside."""

    keys: tuple[Key, ...]
    """The keys in file order, networks expanded."""
    directives: tuple[Directive, ...]
    """The directives in file order; the order of different names has no meaning."""
    file: str
    line: int
    hidden: tuple[str, ...] = ()
    """Its keys, if an error must not show them; see `Position`."""

    def shown(self, text: str) -> str:
        """Return ``text`` for a log line, without words that errors must not show."""
        hidden = (word for each in self.directives for word in each.hidden)
        return without(text, (*self.hidden, *hidden))

    def named(self, name: str) -> tuple[Directive, ...]:
        """Return the occurrences of the directive ``name``, in file order."""
        return tuple(
            directive for directive in self.directives if directive.name == name
        )


@dataclass(frozen=True, slots=True)
class Corefile:
    """A Corefile that has been read with its imports."""

    blocks: tuple[ServerBlock, ...]
    """The server blocks; a file without any has the built-in default block."""
    warnings: tuple[str, ...] = ()
    """Warnings for people, a line each, without ``[WARNING]``."""
    files: tuple[str, ...] = ()
    """The files that were read, the main one first."""
    digest: str = ""
    """SHA-512 in hex over the parsed tokens, as CoreDNS's *reload* shows it."""


def with_directive(
    corefile: Corefile, directive: Directive, *, beside: str
) -> Corefile:
    """Return ``corefile`` with ``directive`` in the first block that has ``beside``.

    A block that has a directive of its name stays as it is.

    Raises:
        ConfigError: no block has ``beside``.

    """
    blocks = list(corefile.blocks)
    for number, block in enumerate(blocks):
        if block.named(beside):
            if not block.named(directive.name):
                more = (*block.directives, directive)
                blocks[number] = replace(block, directives=more)
            return replace(corefile, blocks=tuple(blocks))
    raise ConfigError(f"{directive.file}: no server block has the plugin {beside}")


def parse(
    text: str,
    *,
    file: str = "Corefile",
    files: Files,
    environ: Mapping[str, str],
    known: Collection[str] | None = None,
    port: int = zones.PORTS["dns"],
    directory: str = "",
) -> Corefile:
    """Parse ``text``, the content of ``file``.

    ``known`` are the directives that exist; None accepts any. ``port`` is for keys
    without one. ``directory`` is the folder that a relative ``file`` is in, and makes
    the names of imported files absolute.

    Raises:
        ConfigError: the first error.

    """
    grammar = Grammar(
        text,
        file,
        files,
        environ,
        known=known,
        report=_raise,
        directory=directory,
    )
    grammar.read()
    blocks = _blocks(grammar, port, _raise)
    warnings = (*grammar.imports.warnings, *_brace_warnings(blocks))
    read = grammar.imports.read
    return Corefile(blocks, warnings, read, _digest(grammar.blocks, main=file))


def problems(
    text: str,
    *,
    file: str = "Corefile",
    files: Files,
    environ: Mapping[str, str],
    known: Collection[str] | None = None,
    port: int = zones.PORTS["dns"],
    directory: str = "",
) -> tuple[ConfigError, ...]:
    """Return every error in ``text`` that the parser can reach; see ``parse``.

    An error has a hint if a word was probably mistyped.
    """
    errors: list[ConfigError] = []

    def report(error: ConfigError) -> None:
        if len(errors) >= MAX_PROBLEMS - 1:
            raise error
        errors.append(error)

    try:
        grammar = Grammar(
            text,
            file,
            files,
            environ,
            known=known,
            report=report,
            directory=directory,
        )
    except ConfigError as error:  # the text cannot be scanned
        return (error,)
    for check in (grammar.read, lambda: _blocks(grammar, port, report)):
        try:
            check()
        except ConfigError as error:
            errors.append(error)
    return tuple(errors[:MAX_PROBLEMS])


def _raise(error: ConfigError) -> None:
    raise error


def _blocks(grammar: Grammar, port: int, report: Report) -> tuple[ServerBlock, ...]:
    blocks = [_block(raw, port, report) for raw in grammar.blocks]
    for error in _unservable(blocks):
        report(error)
    return tuple(blocks) or (_default(port),)


def _default(port: int) -> ServerBlock:
    """Return the server block that CoreDNS uses without a Corefile."""
    words = (Directive(name, (), "Corefile", 0) for name in ("whoami", "log"))
    return ServerBlock((Key("dns", ".", port),), tuple(words), "Corefile", 0)


def _block(raw: RawBlock, port: int, report: Report) -> ServerBlock:
    keys: list[Key] = []
    for key in raw.keys:
        try:
            keys += zones.keys(key, port)
        except ValueError as error:
            report(_bad_key(raw, key, str(error)))
    return ServerBlock(
        tuple(keys),
        tuple(_directives(raw)),
        raw.start.file,
        raw.start.line,
        _hidden_keys(raw, keys),
    )


def _hidden_keys(raw: RawBlock, keys: Iterable[Key]) -> tuple[str, ...]:
    """Return the keys that errors must not show, as written and as zones."""
    written = [replace(raw.start, text=key) for key in raw.keys]
    zones = [replace(raw.start, text=key.zone.removesuffix(".")) for key in keys]
    return tuple(word for token in (*written, *zones) for word in token.hidden)


def _bad_key(raw: RawBlock, key: str, text: str) -> ConfigError:
    where = raw.start
    text = without(text, (*where.hidden, *_hidden_keys(raw, ())))
    message = f"error inspecting server blocks: {text}"
    error = ConfigError(message, file=where.file, line=where.line, text=text)
    glued = key.endswith(("{", "}")) and len(key) > 1
    return error.hinting("put a blank before the brace") if glued else error


def _directives(raw: RawBlock) -> list[Directive]:
    """Return the directives of all names, in the order of their first tokens."""
    positioned: list[tuple[int, Directive]] = []
    for name, tokens in raw.tokens.items():
        at = 0
        for directive in occurrences(name, [token for _, token in tokens]):
            positioned.append((tokens[at].place, directive))
            at += len(directive.tokens)
    return [directive for _, directive in sorted(positioned, key=lambda pair: pair[0])]


def _unservable(blocks: Sequence[ServerBlock]) -> Iterator[ConfigError]:
    """Yield an error for each key that has an invalid port or conflicts with another.

    Only the addresses in *bind* are compared: the addresses of an interface are not
    known here.
    """
    for block in blocks:
        for key in block.keys:
            if not 0 <= key.port <= MAX_PORT:
                yield _at_block(block, f"address {key.port}: invalid port")
    claims = [(block, claim) for block in blocks for claim in _claims(block)]
    for index, text in zones.conflicts([claim for _, claim in claims]):
        yield _at_block(claims[index][0], text)


def _claims(block: ServerBlock) -> list[Claim]:
    bound = [word for bind in block.named("bind") for word in bind.args]
    addresses = [word for word in bound if is_address(word)] if bound else [""]
    filtered = bool(block.named("view"))
    return [
        Claim(key, address, filtered) for key in block.keys for address in addresses
    ]


def _at_block(block: ServerBlock, text: str) -> ConfigError:
    return ConfigError.plain(block, text)


def _brace_warnings(blocks: Sequence[ServerBlock]) -> Iterator[str]:
    for block in blocks:
        for directive in block.directives:
            for line in directive.block:
                if line.closed:
                    yield (
                        f"{line.file}:{line.line} - the closing brace of"
                        f" '{directive.name}' stands on the line of '{line.name}':"
                        " CoreDNS may take it for an argument"
                    )


def _digest(blocks: Sequence[RawBlock], main: str) -> str:
    """Return the SHA-512 of ``blocks`` in the form of CoreDNS (plugin *reload*).

    The input is encoded in small pieces: a thread that reads a Corefile can be
    interrupted only between calls.
    """
    digest = hashlib.sha512()
    for piece in _json_pieces(blocks, main):
        digest.update(piece.translate(_GO_ESCAPES).encode("utf-8", "replace"))
    return digest.hexdigest()


_encode = json.JSONEncoder(
    separators=(",", ":"), sort_keys=True, ensure_ascii=False
).encode
_GO_ESCAPES = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}
"""Characters that Go's JSON encoder escapes needlessly."""


def _json_pieces(blocks: Sequence[RawBlock], main: str) -> Iterator[str]:
    """Yield ``blocks`` as JSON with sorted object keys."""
    if not blocks:
        yield "null"
        return
    for block, before in zip(blocks, chain("[", repeat(",")), strict=False):
        yield f'{before}{{"Keys":{_encode(block.keys)},"Tokens":'
        named = sorted(block.tokens.items())
        for (name, tokens), before_name in zip(
            named, chain("{", repeat(",")), strict=False
        ):
            yield f"{before_name}{_encode(name)}:"
            for (_, token), before_token in zip(
                tokens, chain("[", repeat(",")), strict=False
            ):
                yield before_token + _encode(_token_json(token, main))
            yield "]"
        yield "}}" if named else "{}}"
    yield "]"


def _token_json(token: Token, main: str) -> dict[str, str | int]:
    file = "" if token.file == main else token.file
    return {"File": file, "Line": token.line, "Text": token.text}
