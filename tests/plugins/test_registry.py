"""Every plugin of the registry: its options, traits and page are what they say.

The rows are the plugins and their tables of options: whoever adds a plugin without a
place in the order, tests, a page or an example fails here.
"""

import pkgutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from minidns import plugins
from minidns.corefile.blocks import ConfigError
from minidns.corefile.directives import Directive
from minidns.corefile.options import Excess, Option
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Repeated, Traits
from tests import plugin_pages
from tests.table import table
from tests.world import World

ROOT = Path(__file__).parents[2]
MODULES = [module.name for module in pkgutil.iter_modules(plugins.__path__)]
SPECS = {spec.name: spec for spec in plugins.registry()}
OPTIONS = {
    f"{spec.name}-{option.syntax}": (spec, option) for spec in SPECS.values() for option in spec.table if option.example
}
NEEDS_WORDS = {name: row for name, row in OPTIONS.items() if row[1].least}
IS_LIMITED = {
    name: row for name, row in OPTIONS.items() if row[1].most is not None and row[1].excess is not Excess.IGNORED
}
WRONG_COUNT = "Wrong argument count or unexpected line ending after"


def directive(spec: PluginSpec, arguments: str, line: str) -> tuple[Directive, Site]:
    """Return a directive with ``arguments`` and one line in its block."""
    body = f" {{\n{line}\n}}" if line else ""
    site = World().site(f"block.test:53 {{\n{spec.name} {arguments}{body}\n}}\n")
    return site.block.named(spec.name)[0], site


def valid_arguments(spec: PluginSpec) -> str:
    """Return arguments with which the plugin accepts a block."""
    required = spec.arguments is not None and spec.arguments.example
    return str(spec.arguments.example) if required and spec.arguments else ""


def read(spec: PluginSpec, option: Option, words: str) -> Any:  # options of any plugin
    """Return what ``words`` of ``option`` give, and nothing else of the directive."""
    if option.name:
        read_directive, site = directive(spec, valid_arguments(spec), words)
        return spec.read_block(read_directive, site, spec.defaults)
    read_directive, site = directive(spec, words, "")
    return spec.read_arguments(read_directive, site, spec.defaults)


@table("line", ["any", "debug", "loop", "minimal", "multisocket 1", "root /tmp", "whoami"])
@pytest.mark.parametrize("block", ["", "option x\n"])
def test_a_brace_is_an_argument_too_many(line: str, block: str) -> None:
    site = World().site(f".:53 {{\n{line} {{\n{block}}}\n}}\n")
    with pytest.raises(ConfigError) as caught:
        plugins.configure(site)
    name = line.partition(" ")[0]
    assert str(caught.value) == (
        f"plugin/{name}: Corefile:2 - Error during parsing: Unexpected token '{{', expecting argument"
    )


@table("line", ["bufsize 1232", "cancel", "errors", "local", "log", "metadata", "reload 10s", "shed"])
def test_an_empty_block_is_accepted(line: str) -> None:
    plugins.configure(World().site(f".:53 {{\n{line} {{\n}}\n}}\n"))


@table("name", MODULES)
def test_a_module_with_a_plugin_is_in_the_order(name: str) -> None:
    has_plugin = hasattr(import_module(f"minidns.plugins.{name}"), "PLUGIN")
    assert has_plugin == (name in plugins.ORDER), f"{name}: ORDER in minidns/plugins/__init__.py"


@table("spec", SPECS.values(), ids=SPECS)
def test_the_plugin_has_a_module_of_tests(spec: PluginSpec) -> None:
    name = "ignored" if Traits.ACCEPTED_ONLY in spec.traits else spec.name
    assert (Path(__file__).parent / f"test_{name}.py").is_file()


@table("spec", SPECS.values(), ids=SPECS)
def test_an_option_that_is_documented_has_an_example(spec: PluginSpec) -> None:
    documented = [option for option in spec.table if option.meaning and not option.is_refused]
    assert [option.syntax for option in documented if not option.example] == []


@table(("spec", "option"), OPTIONS.values(), ids=OPTIONS)
def test_the_example_sets_the_field(spec: PluginSpec, option: Option) -> None:
    options = read(spec, option, option.example)
    if option.field:
        assert getattr(options, option.field) != getattr(spec.defaults, option.field)
    else:
        assert options == spec.defaults


@table(("spec", "option"), NEEDS_WORDS.values(), ids=NEEDS_WORDS)
def test_too_few_words_are_refused(spec: PluginSpec, option: Option) -> None:
    *words, _ = option.example.split()
    words = words[: option.least + bool(option.name) - 1]
    with pytest.raises(ConfigError, match=WRONG_COUNT) as caught:
        read(spec, option, " ".join(words))
    assert caught.value.line == (3 if option.name else 2)


@table(("spec", "option"), IS_LIMITED.values(), ids=IS_LIMITED)
def test_too_many_words_are_refused(spec: PluginSpec, option: Option) -> None:
    assert option.most is not None
    words = option.example.split()
    count = option.most + bool(option.name) - len(words)
    repeated = [*words, *(words[-1:] or ["x"]) * count, "excess"]
    with pytest.raises(ConfigError) as caught:
        read(spec, option, " ".join(repeated))
    if option.excess is Excess.WRONG_COUNT:
        assert f"{WRONG_COUNT} 'excess'" in str(caught.value)
    else:
        assert "excess" in str(caught.value)
        assert WRONG_COUNT not in str(caught.value)


@table("name", [n for n, s in SPECS.items() if s.options])
def test_an_unknown_option_is_refused(name: str) -> None:
    spec = SPECS[name]
    read_directive, site = directive(spec, valid_arguments(spec), "no-such-option 1s")
    with pytest.raises(ConfigError):
        spec.read_block(read_directive, site, spec.defaults)


@table("spec", SPECS.values(), ids=SPECS)
def test_the_page_has_the_options_of_the_plugin(spec: PluginSpec) -> None:
    page = (ROOT / spec.page).read_text()
    assert plugin_pages.BEGIN in page
    assert plugin_pages.renewed(page, spec) == page, "run python -m tests.plugin_pages"


@table("spec", SPECS.values(), ids=SPECS)
def test_the_page_says_what_the_plugin_is(spec: PluginSpec) -> None:
    page = (ROOT / spec.page).read_text()
    assert page.startswith(f"# {spec.name}\n")
    assert f"*{spec.name}* - {spec.summary}" in page


@table("spec", SPECS.values(), ids=SPECS)
def test_the_name_is_that_of_the_order(spec: PluginSpec) -> None:
    assert plugins.find(spec.name) is spec


ONCE = [spec.name for spec in SPECS.values() if spec.repeated is Repeated.REFUSED]


@table("name", ONCE)
def test_a_second_directive_is_refused(name: str) -> None:
    line = f"{name} {valid_arguments(SPECS[name])}"
    site = World().site(f".:53 {{\n{line}\n{line}\n}}\n")
    with pytest.raises(ConfigError, match="once per Server Block"):
        SPECS[name].set_up(site.block.named(name), site)


LISTENING = [s.name for s in SPECS.values() if Traits.OPENS_PORT in s.traits]


@table("name", LISTENING)
def test_a_plugin_that_opens_a_port_says_where(name: str) -> None:
    site = World().site(f".:53 {{\n{name}\n}}\n")
    SPECS[name].set_up(site.block.named(name), site)
    (address,) = {address for address, _ in site.instance.endpoints}  # type: ignore[attr-defined]  # of the tests' host
    assert address == SPECS[name].address


def test_a_mistyped_option_has_a_hint() -> None:
    read_directive, site = directive(SPECS["timeouts"], "", "raed 1s")
    with pytest.raises(ConfigError) as caught:
        SPECS["timeouts"].read_one(read_directive, site)
    assert "'read'" in caught.value.hint
