"""``minidns completion SHELL``: a script that completes commands, options and values.

Made from the parsers when it is asked for, so it is always that of the installed
version and nothing has to be kept in step: ``source <(minidns completion bash)``.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence

from minidns.commands.described import Described, Option, program

Commands = tuple[Described, ...]


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    made = argparse.ArgumentParser(
        "minidns completion",
        description="Print a script that completes what is typed after minidns.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="bash: source <(minidns completion bash)\n"
        "zsh:  minidns completion zsh > FOLDER_OF_FPATH/_minidns\n"
        "fish: minidns completion fish > ~/.config/fish/completions/minidns.fish",
    )
    made.add_argument("shell", choices=tuple(SHELLS))
    return made


def main(argv: Sequence[str]) -> int:
    """Print the script."""
    shell = parser().parse_args(argv).shell
    print("\n".join(SHELLS[shell]("minidns", program())))
    return 0


def bash(name: str, commands: Commands) -> Iterator[str]:
    """Yield the lines for bash."""
    yield f"_{name}() {{"
    yield "  local current=${COMP_WORDS[COMP_CWORD]} command= word"
    yield "  local previous=${COMP_WORDS[COMP_CWORD-1]}"
    yield '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do'
    names = "|".join(each.name for each in commands if each.name)
    yield f"    case $word in {names}) command=$word; break;; esac"
    yield "  done"
    yield '  case "$command:$previous" in'
    for each in commands:
        for option in each.options:
            if option.value:
                when = "|".join(_quoted(f"{each.name}:{n}") for n in option.names)
                yield f"    {when}) {_bash_value(option)} return;;"
    yield "  esac"
    yield "  case $command in"
    for each in commands:
        words = " ".join((*_words(each, commands), *_names(each)))
        files = f"; {_BASH_FILES}" if each.takes_path else ""
        yield f"    {_quoted(each.name)}) {_bash_words(words)}{files};;"
    yield "  esac"
    yield "}"
    yield f"complete -F _{name} {name}"


_BASH_FILES = 'COMPREPLY+=($(compgen -f -- "$current"))'


def _bash_words(words: str) -> str:
    return f'COMPREPLY=($(compgen -W {_quoted(words)} -- "$current"))'


def _bash_value(option: Option) -> str:
    if option.choices:
        return f"{_bash_words(' '.join(option.choices))};"
    if option.is_path:
        return 'COMPREPLY=($(compgen -f -- "$current"));'
    return "COMPREPLY=();"


def zsh(name: str, commands: Commands) -> Iterator[str]:
    """Yield the lines for zsh."""
    yield f"#compdef {name}"
    yield f"_{name}() {{"
    yield "  local -a commands=("
    for each in commands:
        if each.name:
            yield f"    {_quoted(f'{each.name}:{each.summary}')}"
    yield "  )"
    yield "  case $words[2] in"
    for each in commands:
        if each.name:
            yield f"    {each.name}) shift words; (( CURRENT-- ))"
            yield f"      _arguments {' '.join(_zsh_specs(each))};;"
    yield "    *) (( CURRENT == 2 )) && _describe command commands"
    yield f"      _arguments {' '.join(_zsh_specs(commands[0]))};;"
    yield "  esac"
    yield "}"
    yield f'_{name} "$@"'


def _zsh_specs(command: Described) -> Iterator[str]:
    for option in command.options:
        value = f":{option.value}:{_zsh_action(option)}" if option.value else ""
        for name in option.names:
            yield _quoted(f"{name}[{_zsh_text(option.help)}]{value}")
    if command.words:
        yield _quoted(f"*:argument:({' '.join(command.words)})")
    elif command.takes_path:
        yield _quoted("*:file:_files")


def _zsh_action(option: Option) -> str:
    if option.choices:
        return f"({' '.join(option.choices)})"
    return "_files" if option.is_path else " "


def _zsh_text(text: str) -> str:
    return "".join(f"\\{char}" if char in "[]:\\" else char for char in text)


def fish(name: str, commands: Commands) -> Iterator[str]:
    """Yield the lines for fish."""
    yield f"complete -c {name} -f"
    for each in commands:
        condition = "__fish_use_subcommand"
        if each.name:
            summary = _quoted(each.summary)
            yield f"complete -c {name} -n {condition} -a {each.name} -d {summary}"
            condition = _quoted(f"__fish_seen_subcommand_from {each.name}")
        start = f"complete -c {name} -n {condition}"
        if each.words:
            yield f"{start} -a {_quoted(' '.join(each.words))}"
        if each.takes_path:
            yield f"{start} -F"
        for option in each.options:
            yield f"{start} {' '.join(_fish_option(option))}"


def _fish_option(option: Option) -> Iterator[str]:
    for name in option.names:
        bare = name.lstrip("-")
        kind = "-l" if name.startswith("--") else "-s" if len(bare) == 1 else "-o"
        yield f"{kind} {bare}"
    if option.choices:
        yield f"-x -a {_quoted(' '.join(option.choices))}"
    elif option.value:
        yield "-r -F" if option.is_path else "-x"
    yield f"-d {_quoted(option.help)}"


def _words(command: Described, commands: Commands) -> tuple[str, ...]:
    """Return what may follow: at the very beginning that is a command."""
    if command.name:
        return command.words
    return tuple(each.name for each in commands if each.name)


def _names(command: Described) -> Iterator[str]:
    for option in command.options:
        yield from option.names


def _quoted(text: str) -> str:
    """Return ``text`` as one word of any of the shells, and never two lines."""
    # an apostrophe inside quotes is written differently in each; help can do without
    return f"'{' '.join(text.split()).replace(chr(39), '')}'"


SHELLS: dict[str, Callable[[str, Commands], Iterator[str]]] = {
    "bash": bash,
    "zsh": zsh,
    "fish": fish,
}
