"""The syntax and the table of options on the pages of plugins, made of the registry.

``python -m tests.plugin_pages`` writes them anew into docs/plugins.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from minidns import plugins
from minidns.corefile.options import Option
from minidns.corefile.values import format_duration
from minidns.plugins.spec import PluginSpec

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- options -->\n", "<!-- /options -->\n"


def syntax(spec: PluginSpec) -> Iterator[str]:
    """Yield the lines of the directive with all its options."""
    options = [option.syntax for option in spec.table if option.name]
    arguments = spec.arguments.arguments if spec.arguments else ""
    yield f"{spec.name} {arguments}".rstrip() + (" {" if options else "")
    yield from (f"    {option}" for option in options)
    if options:
        yield "}"


def default(spec: PluginSpec, option: Option) -> str:
    """Return the default of ``option``; empty where it has none to show."""
    fields = Counter(option.field for option in spec.table)
    value = getattr(spec.defaults, option.field, None)
    if (
        fields[option.field] > 1
        or isinstance(value, bool)
        or (not value and value != 0)
    ):
        return ""
    if isinstance(value, float):
        return f"`{format_duration(value)}`"
    return f"`{value}`" if isinstance(value, int | str) else ""


def table(spec: PluginSpec) -> Iterator[str]:
    """Yield the lines of the table of options; none for a plugin without any."""
    options = [option for option in spec.table if option.meaning]
    if options:
        yield from ("", "| option | meaning | default |", "| --- | --- | --- |")
    for option in options:
        cells = (f"`{option.name or option.arguments}`", option.meaning)
        shown = (cell.replace("|", r"\|") for cell in (*cells, default(spec, option)))
        yield f"| {' | '.join(shown)} |".replace("  |", " |")


def renewed(page: str, spec: PluginSpec) -> str:
    """Return the text of the page with the syntax and table that the plugin has."""
    lines = ("```", *syntax(spec), "```", *table(spec))
    pattern = re.compile(f"{BEGIN}.*{END}", re.DOTALL)
    return pattern.sub(lambda _: BEGIN + "\n".join(lines) + "\n" + END, page)


if __name__ == "__main__":
    for plugin in plugins.registry():
        path = ROOT / plugin.page
        path.write_text(renewed(path.read_text(), plugin))
