"""Command lines as data."""

import argparse
from pathlib import Path

from minidns.cli import COMMANDS, find
from minidns.commands.described import Option, of_parser, program


def made() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("minidns x", description="Do x.", add_help=False)
    parser.add_argument("-f", "--file", metavar="FILE", help="read this")
    parser.add_argument("--where", type=Path)
    parser.add_argument("--quick", action="store_true", help="do not %(prog)s long")
    parser.add_argument("-o", dest="output", choices=("text", "json"))
    parser.add_argument("--hidden", help=argparse.SUPPRESS)
    parser.add_argument("action", choices=("plan", "apply"))
    return parser


def test_options_say_what_they_take() -> None:
    assert of_parser("x", "do x", made()).options == (
        Option(("-f", "--file"), "read this", "FILE", (), True),
        Option(("--where",), "", "WHERE", (), True),
        Option(("--quick",), "do not minidns long", ""),
        Option(("-o",), "", "OUTPUT", ("text", "json")),
    )


def test_words_are_those_a_positional_argument_may_be() -> None:
    described = of_parser("x", "do x", made())
    assert described.words == ("plan", "apply")
    assert not described.takes_path
    assert described.usage.startswith("minidns x [-f FILE]")
    assert described.description == "Do x."


def test_the_program_comes_first_and_has_no_name() -> None:
    serving, *others = program()
    assert serving.name == ""
    assert "-conf" in {name for option in serving.options for name in option.names}
    assert [each.name for each in others] == [each.name for each in COMMANDS]


def test_every_command_can_be_run_and_described() -> None:
    for command in COMMANDS:
        module = command.load()
        assert callable(module.main)
        assert module.parser().prog == f"minidns {command.name}"


def test_the_first_word_names_the_command() -> None:
    found = find(["check", "Corefile"])
    assert found is not None
    assert found.module == "minidns.commands.check"
    assert find(["-conf", "check"]) is None
    assert find([]) is None
