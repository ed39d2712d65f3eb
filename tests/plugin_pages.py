"""What pages say of plugins in lists and tables, made of the registry.

``python -m tests.plugin_pages`` writes it anew: the syntax and the table of options into
docs/plugins, the order and the lists of plugins into docs/corefile.md.
"""

import re
from collections import Counter
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from textwrap import fill

from minidns import plugins
from minidns.corefile.options import Option
from minidns.corefile.values import format_duration
from minidns.plugins.spec import PluginSpec, Traits

ROOT = Path(__file__).parents[1]
COREFILE = ROOT / "docs/corefile.md"
BEGIN, END = "<!-- options -->\n", "<!-- /options -->\n"


def syntax(spec: PluginSpec) -> Iterator[str]:
    """Yield the lines of the directive with all its options."""
    options = [option.syntax for option in spec.table if option.name and not option.is_refused]
    arguments = spec.arguments.arguments if spec.arguments else ""
    yield f"{spec.name} {arguments}".rstrip() + (" {" if options else "")
    yield from (f"    {option}" for option in options)
    if options:
        yield "}"


def default(spec: PluginSpec, option: Option) -> str:
    """Return the default of ``option``; empty where it has none to show."""
    fields = Counter(option.field for option in spec.table)
    value = getattr(spec.defaults, option.field, None)
    if fields[option.field] > 1 or isinstance(value, bool) or (not value and value != 0):
        return ""
    if isinstance(value, Enum):
        return f"`{value.name}`"
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


def renewed_lists(page: str) -> str:
    """Return the text of docs/corefile.md with the plugins of the registry."""
    ignored = {s.name for s in plugins.registry() if Traits.ACCEPTED_ONLY in s.traits}
    lists = {
        "order": plugins.names(),
        "done": [name for name in plugins.names() if name not in ignored],
        "ignored": [name for name in plugins.ORDER if name in ignored],
        "refused": [name for name in plugins.ORDER if name not in plugins.names()],
    }
    for fence, names in lists.items():
        text = fill(" ".join(names), 118)
        pattern = re.compile(rf"^(```{fence}\n).*?^```", re.MULTILINE | re.DOTALL)
        page = pattern.sub(rf"\g<1>{text}\n```", page)
    return page


if __name__ == "__main__":
    for plugin in plugins.registry():
        path = ROOT / plugin.page
        path.write_text(renewed(path.read_text(), plugin))
    COREFILE.write_text(renewed_lists(COREFILE.read_text()))
