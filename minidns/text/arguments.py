"""Parsers of command lines, with one style of help and of errors for all commands.

Help shows defaults as ``(default: X)`` and ends in examples. A wrong command line gets
one line, ``PROGRAM COMMAND: what: why; what to do``, and the name of the help.
"""

import argparse
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from itertools import takewhile
from textwrap import fill
from typing import NoReturn

USAGE = 2
"""Exit status of a wrong command line."""
OF_ARGUMENT = re.compile(r"argument (?P<name>\S+): (?P<why>.*)", re.DOTALL)
CHOICE = re.compile(r"invalid choice: '?(?P<value>.*?)'? \(choose from (?P<known>.*)\)")
HOST_PORT = re.compile(r"(\[[^\s\[\]]+\]|[^\s\[\]:]*):([0-9]{1,6})")
FLAG = re.compile(r"--?[A-Za-z]")
SURROGATES = re.compile("[\ud800-\udfff]")
"""Stand for bytes that are not UTF-8 (PEP 383)."""
CHOOSE_CLUSTER = "--kubeconfig and --context choose the cluster"
"""What to do, at the end of an error about a cluster that cannot be asked."""
MOST_SHOWN = 60
"""limit: known words that an error lists."""
NO_DEFAULT = (None, False, argparse.SUPPRESS)


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def _get_help_string(self, action: argparse.Action) -> str:
        return help_of(action)


def help_of(action: argparse.Action) -> str:
    """Return the help of an argument, with its default if there is one."""
    text = action.help or ""
    has_default = action.default not in NO_DEFAULT and action.default not in ("", [])
    if not has_default or not action.option_strings or "(default:" in text:
        return text
    return f"{text} (default: %(default)s)".strip()


class Parser(argparse.ArgumentParser):
    """A parser of the arguments of one command.

    Flags are not abbreviated: a new flag must not change the meaning of a script.
    """

    def __init__(
        self,
        prog: str,
        description: str,
        examples: Mapping[str, str],
        notes: str = "",
    ) -> None:
        """Take ``examples`` as command lines with the purpose of each."""
        self.examples = tuple(examples)
        lines = [f"  # {why}\n  {line}" for line, why in examples.items()]
        super().__init__(
            prog,
            description="\n\n".join(fill(p, 79) for p in description.split("\n\n")),
            epilog="\n\n".join(filter(None, (notes, "\n".join(["examples:", *lines])))),
            formatter_class=_Formatter,
            allow_abbrev=False,
        )

    def add_output(self, *forms: str, help_: str = "output format") -> None:
        """Add the option ``-o``; the first form is the default."""
        self.add_argument(
            "-o", dest="output", choices=forms, default=forms[0], help=help_
        )

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """Return the values of the arguments; exit with status 2 if they are wrong.

        Flags may stand between other arguments. An unknown flag is reported before
        what is missing because of it.
        """
        for word in argv:
            if not word.isascii() and SURROGATES.search(word):
                self.error(f"{word!r}: not UTF-8 text")
        words = list(takewhile(lambda word: word != "--", argv))
        if unknown := [word for word in words if self._is_unknown(word)]:
            self.error(f"unrecognized arguments: {unknown[0]}")
        return self.parse_intermixed_args(argv)

    def flags(self) -> dict[str, argparse.Action]:
        """Return the flags that help shows, in all spellings, with what they set."""
        known = self._option_string_actions.items()
        return {f: action for f, action in known if action.help != argparse.SUPPRESS}

    def positional(self, before: Sequence[str]) -> argparse.Action | None:
        """Return the argument without a flag that follows the words ``before``."""
        count, known = 0, self.flags()
        for previous, word in zip(("", *before), before, strict=False):
            flag = known.get(previous)
            is_value = flag is not None and flag.nargs != 0
            count += not is_value and not word.startswith("-")
        actions = [a for a in self._actions if not a.option_strings]
        if not actions or (count >= len(actions) and actions[-1].nargs in (None, "?")):
            return None
        return actions[min(count, len(actions) - 1)]

    def _is_unknown(self, word: str) -> bool:
        if not FLAG.match(word):
            return False
        known = self._option_string_actions  # a short flag may be glued to its value
        return word.partition("=")[0] not in known and word[:2] not in known

    def error(self, message: str) -> NoReturn:
        """Print what is wrong and where the help is; exit with status 2."""
        self.exit(USAGE, f"{self.prog}: {self._reason(message)}\n{self._see_help()}\n")

    def _see_help(self) -> str:
        return f"see {self.prog} --help"

    def _reason(self, message: str) -> str:
        """Return a message of argparse in our style."""
        if match := OF_ARGUMENT.fullmatch(message):
            return _wrong_value(_first_flag(match["name"]), match["why"])
        what, _, rest = message.partition(": ")
        if what == "unrecognized arguments":
            return self._unknown(rest.split())
        if what == "the following arguments are required":
            # argparse names arguments of which there may be none, too
            none = {str(a.metavar) for a in self._actions if a.nargs == "*"}
            missing = [name for name in rest.split(", ") if name not in none]
            return f"{', '.join(missing)}: missing{self._choices(missing)}"
        if message.startswith("one of the arguments "):
            names = message.split()[4:-2]
            return f"{' or '.join(names)}: one of them is needed"
        return message

    def _choices(self, names: Sequence[str]) -> str:
        """Return the end of an error about missing arguments, with what there is."""
        for action in self._actions:
            if action.choices and (action.metavar or action.dest) in names:
                return f"; it is one of {', '.join(map(str, action.choices))}"
        return ""

    def _unknown(self, words: Sequence[str]) -> str:
        flags = [word for word in words if word.startswith("-")]
        if not flags:
            return f"{' '.join(words)}: more arguments than expected"
        flag = flags[0].partition("=")[0]
        return f"{flag}: unknown flag{did_you_mean(flag, self.flags())}"


def _wrong_value(name: str, why: str) -> str:
    if match := CHOICE.fullmatch(why):
        known = match["known"].replace("'", "").split(", ")
        return f"{name} {not_one_of(match['value'], known)}"
    if why.startswith("expected "):
        return f"{name}: a value is needed"
    if why.startswith("not allowed with argument "):
        return f"{name}: not allowed together with {_first_flag(why.split()[-1])}"
    # a type of ours says: the value, a colon, the reason
    return f"{name} {why}" if ": " in why else f"{name}: {why}"


def _first_flag(name: str) -> str:
    """Return the first spelling of a flag; argparse joins all of them by slashes."""
    return name.partition("/")[0] if name.startswith("-") else name


def did_you_mean(word: str, known: Sequence[str] | Mapping[str, object]) -> str:
    """Return the end of an error about ``word``, with the most similar known word.

    >>> did_you_mean("statu", ["status", "check"]), did_you_mean("xyz", ["check"])
    ('; did you mean "status"?', '')
    """
    similar = get_close_matches(word, list(known), 1)
    return f'; did you mean "{similar[0]}"?' if similar else ""


def not_one_of(word: str, known: Iterable[str]) -> str:
    """Return the error about a word that is none of the known ones, which it lists.

    >>> not_one_of("pat", ["path", "node"])
    'pat: not one of path, node; did you mean "path"?'
    """
    words = list(known)
    more = f" and {len(words) - MOST_SHOWN} more" if len(words) > MOST_SHOWN else ""
    shown = ", ".join(words[:MOST_SHOWN])
    return f"{word}: not one of {shown}{more}{did_you_mean(word, words)}"


def document(tree: object, form: str) -> str:
    """Return JSON values in a form of `Parser.add_output`, without a final line end.

    >>> print(document({"a": [1, "yes"]}, "yaml"))
    a:
    - 1
    - 'yes'
    """
    text = json.dumps(tree, indent=2)
    if form == "json":
        return text
    import yaml  # imported when needed, so that --help is quick

    # through JSON: enumerations and tuples are plain values there
    return yaml.safe_dump(json.loads(text), sort_keys=False).rstrip("\n")


def port(text: str) -> int:
    """Return the port that ``text`` names.

    Raises:
        argparse.ArgumentTypeError: it names none.

    """
    if not (text.isascii() and text.isdecimal() and int(text[:6]) < 65536):
        raise argparse.ArgumentTypeError(f"{text}: not a port (0 to 65535)")
    return int(text)


def host_port(text: str) -> str:
    """Return ``text`` if it has the form HOST:PORT; the host may be empty.

    An IPv6 address stands in brackets.

    Raises:
        argparse.ArgumentTypeError: it has not.

    """
    match = HOST_PORT.fullmatch(text)
    if match is None:
        wrong = f"{text}: HOST:PORT is needed, such as 127.0.0.1:5354"
        raise argparse.ArgumentTypeError(wrong)
    if not int(match[2]) < 65536:
        wrong = f"{text}: the port of HOST:PORT is from 0 to 65535"
        raise argparse.ArgumentTypeError(wrong)
    return text
