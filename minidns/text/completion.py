"""Completion of command lines by shells, from the parsers themselves.

A shell calls ``PROGRAM __complete WORD ...`` with all words up to the one at the
cursor, and gets a line ``CANDIDATE<TAB>DESCRIPTION`` for each candidate; the last line
is a directive. That is the protocol of cobra, which kubectl uses for its plugins.
"""

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from minidns.text.arguments import Parser

COMMAND = "__complete"
FILES, NO_FILES = ":0", ":4"
"""Directives: the shell may add names of files, or not (cobra's ShellCompDirective)."""
SCRIPTS = {
    "bash": """\
# source <(PROGRAM completion bash)
_FUNCTION() {
    local line directive= words=("${COMP_WORDS[@]:1:COMP_CWORD}")
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            :*) directive=$line ;;
            "${COMP_WORDS[COMP_CWORD]}"*) COMPREPLY+=("${line%%$'\\t'*}") ;;
        esac
    done < <("${COMP_WORDS[0]}" __complete "${words[@]}" 2>/dev/null)
    if [[ $directive == :0 ]]; then compopt -o default 2>/dev/null; fi
    return 0
}
complete -F _FUNCTION PROGRAM
""",
    "zsh": """\
#compdef PROGRAM
# source <(PROGRAM completion zsh)
_FUNCTION() {
    local line directive
    local -a found before=("${(@)words[2,CURRENT]}")
    for line in "${(@f)$("${words[1]}" __complete "${before[@]}" 2>/dev/null)}"; do
        if [[ $line == :* ]]; then directive=$line
        else found+=("${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}"); fi
    done
    (( $#found )) && _describe PROGRAM found
    [[ $directive == :0 ]] && _files
}
compdef _FUNCTION PROGRAM
""",
    "fish": """\
# PROGRAM completion fish | source
function __FUNCTION
    set -l words (commandline -opc) (commandline -ct)
    $words[1] __complete $words[2..] 2>/dev/null | string match -v -r '^:'
end
complete -c PROGRAM -a '(__FUNCTION)'
""",
}
Completer: TypeAlias = Callable[[Sequence[str]], Iterable[str]]
"""Returns the values that an argument may have; takes the words before it."""


class Candidate(NamedTuple):
    """A word that may stand at the cursor."""

    word: str
    description: str = ""


def script(program: str, shell: str) -> str:
    """Return the text that a shell reads to complete the words of ``program``."""
    function = program.replace("-", "_")
    return SCRIPTS[shell].replace("FUNCTION", function).replace("PROGRAM", program)


def reply(candidates: Iterable[Candidate], begun: str) -> str:
    """Return what a shell reads: the candidates that fit, and the directive."""
    fitting = [each for each in candidates if each.word.startswith(begun)]
    lines = [f"{word}\t{description}" for word, description in fitting]
    return "\n".join((*lines, NO_FILES if fitting else FILES))


def candidates(
    parser: Parser, words: Sequence[str], completers: Mapping[str, Completer]
) -> Iterator[Candidate]:
    """Yield what may stand at the end of ``words``, which begin after the command.

    ``completers`` have the values of arguments without fixed choices, by ``dest``.
    """
    *before, begun = words
    flags = parser.flags()
    previous = flags.get(before[-1]) if before else None
    if previous is not None and previous.nargs != 0:
        yield from _values(previous, before, completers)
    elif begun.startswith("-"):
        for flag, action in flags.items():
            if len(flag) > 2 or len(action.option_strings) == 1:
                yield Candidate(flag, _first_line(action))
    elif (argument := parser.positional(before)) is not None:
        yield from _values(argument, before, completers)


def _values(
    action: argparse.Action, before: Sequence[str], completers: Mapping[str, Completer]
) -> Iterator[Candidate]:
    known: Iterable[object] = action.choices or ()
    if not known and (completer := completers.get(action.dest)):
        known = completer(before)
    for value in known:
        yield Candidate(str(value))


def _first_line(action: argparse.Action) -> str:
    return " ".join((action.help or "").replace("%%", "%").split())[:60]
