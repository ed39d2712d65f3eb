"""Options as fields: how many words they take, what they set, and what is refused."""

from dataclasses import dataclass
from operator import add

import pytest

from minidns.corefile.errors import ConfigError
from minidns.corefile.options import Excess, Words, accepted, argument, integer, line, option, refused, set_by, switch
from minidns.corefile.values import integer as number
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Repeated, Traits
from tests.table import table
from tests.world import World

ARITIES = {
    "": (0, 0),
    "DURATION": (1, 1),
    "[ADDRESS]": (0, 1),
    "FILE [CONTEXT]": (1, 2),
    "CERT KEY CA": (3, 3),
    "[FILE [ZONES...]]": (0, None),
    "ZONES...": (1, None),
    "[ZONES...]": (0, None),
    "AMOUNT [DURATION [PERCENTAGE%]]": (1, 3),
    "on|off": (1, 1),
    "ADDRESS[:PORT]...": (1, None),
}


def _double(options: "Sample", words: Words) -> "Sample":
    return Sample(twice=2 * number(words.first))


def _words(words: Words) -> tuple[str, ...]:
    return words.args


@dataclass(frozen=True)
class Sample:
    """One field of each kind."""

    names: tuple[str, ...] = argument("[NAMES...]", "", ("none",), _words, example="a")
    size: int = option("size N", "", 1, integer(1, 9, "not from 1 to 9: {value}"), example="2")
    all: tuple[str, ...] = option("all N...", "", (), _words, adding=add, example="1")
    on: bool = switch("on", "")
    off: bool = switch("off", "", default=True)
    twice: int = set_by(0, line("twice N", "", _double, example="1"))
    located: int = option("located N", "", 1, integer(0, 9, ""), located=True, example="2")
    prefixed: int = option("prefixed N", "", 1, integer(0, 9, ""), prefix="twice: ", example="2")
    lenient: str = option("lenient N", "", "", lambda words: words.first, excess=Excess.IGNORED, example="2")
    greedy: bool = switch("greedy", "", excess=Excess.NEXT_OPTION)


def spec(repeated: Repeated = Repeated.MERGED) -> PluginSpec:
    return PluginSpec(
        name="whoami",
        summary="",
        traits=Traits.NONE,
        setup=lambda options, site: None,
        defaults=Sample(),
        options=(accepted("old [WORDS...]", ""), refused("missing FILE")),
        repeated=repeated,
    )


def read(text: str, repeated: Repeated = Repeated.MERGED) -> object:
    site: Site = World().site(f". {{\n{text}\n}}\n")
    return spec(repeated).read(site.block.named("whoami"), site)


@table(("arguments", "arity"), ARITIES.items())
def test_the_syntax_says_how_many_words_there_are(arguments: str, arity: tuple[int, int | None]) -> None:
    made = line(f"name {arguments}", "", lambda options, words: options)
    assert (made.least, made.most) == arity


BLOCKS = {
    "size 2": Sample(size=2),
    "size 2\nsize 3": Sample(size=3),
    "all 1 2\nall 3": Sample(all=("1", "2", "3")),
    "on": Sample(on=True),
    "off": Sample(off=False),
    "twice 4": Sample(twice=8),
    "lenient 1 2 3": Sample(lenient="1"),
    "old": Sample(),
    "old words": Sample(),
}


@table(("block", "expected"), BLOCKS.items())
def test_a_line_sets_its_field(block: str, expected: Sample) -> None:
    assert read(f"whoami {{\n{block}\n}}") == expected


def test_arguments_set_their_field_only_if_there_are_some() -> None:
    assert read("whoami") == Sample()
    assert read("whoami a b") == Sample(names=("a", "b"))


REFUSED = {
    "size": (True, "'size'"),
    "size 1 2": (True, "'2'"),
    "size x": (False, "strconv"),
    "size 0": (True, "not from 1 to 9: 0"),
    "on 1": (True, "'1'"),
    "located x": (True, "strconv"),
    "prefixed x": (False, "twice: strconv"),
    "prefixed": (False, "twice: "),
    "greedy 1": (True, "unknown property '1'"),
    "missing f": (True, "not supported by minidns"),
    "sise 1": (True, "unknown property 'sise'"),
}


@table(("block", "expected"), REFUSED.items())
def test_a_bad_line_is_refused(block: str, expected: tuple[bool, str]) -> None:
    is_located, text = expected
    with pytest.raises(ConfigError) as caught:
        read(f"whoami {{\n{block}\n}}")
    assert text in str(caught.value)
    assert str(caught.value).startswith("Corefile:3") == is_located
    assert caught.value.line == 3


ONE, TWO = Sample(size=2), Sample(all=("x",))
BOTH = Sample(size=2, all=("x",))
TEXT = "whoami {\nsize 2\n}\nwhoami {\nall x\n}"
REPEATED = {
    Repeated.FIRST_COUNTS: ONE,
    Repeated.LAST_COUNTS: TWO,
    Repeated.MERGED: BOTH,
    Repeated.CONTINUED: (ONE, BOTH),
    Repeated.SEPARATE: (ONE, TWO),
}


@table(("repeated", "expected"), REPEATED.items(), ids=str)
def test_a_second_directive_means_what_the_plugin_says(repeated: Repeated, expected: object) -> None:
    assert read(TEXT, repeated) == expected


@pytest.mark.parametrize("repeated", [Repeated.REFUSED, Repeated.MISPLACED], ids=str)
def test_a_second_directive_may_be_an_error(repeated: Repeated) -> None:
    assert read("whoami {\nsize 2\n}", repeated) == ONE
    with pytest.raises(ConfigError):
        read(TEXT, repeated)


def test_a_plugin_may_read_its_directives_itself() -> None:
    directives = read(TEXT, Repeated.UNREAD)
    assert isinstance(directives, tuple)
    assert [directive.name for directive in directives] == ["whoami", "whoami"]


def test_the_first_directive_alone_is_read_where_it_alone_counts() -> None:
    wrong = "whoami {\nsize 2\n}\nwhoami {\nsize x\n}"
    assert read(wrong, Repeated.FIRST_COUNTS) == ONE
    with pytest.raises(ConfigError):
        read(wrong, Repeated.LAST_COUNTS)
