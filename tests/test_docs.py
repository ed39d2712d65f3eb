"""Documentation that is run: every Corefile in it loads."""

import re
from pathlib import Path

import pytest

from minidns import plugins
from minidns.corefile import blocks
from minidns.metrics.registry import Metrics
from minidns.server.instance import Instance
from tests.table import table
from tests.world import World

ROOT = Path(__file__).parent.parent
EXAMPLES = [
    pytest.param(path, text, id=f"{path.stem}-{number}")
    for path in sorted((ROOT / "docs").rglob("*.md"))
    for number, text in enumerate(re.findall(r"^```corefile\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL))
]


async def _nothing() -> None: ...


@table(("path", "text"), EXAMPLES)
async def test_every_corefile_in_the_documentation_loads(path: Path, text: str, tmp_path: Path) -> None:
    world = World(
        files={"/etc/resolv.conf": "nameserver 192.0.2.53\n", "/etc/hosts": "127.0.0.1 localhost\n"},
        environ={"KUBERNETES_SERVICE_HOST": "192.0.2.1", "KUBERNETES_SERVICE_PORT": "443"},
        list_watch=lambda access, resource: None,  # type: ignore[arg-type,return-value]  # nothing is listed before the start
    )
    parsed = blocks.parse(text, files=world.files, environ=world.edges.environ, known=plugins.ORDER)
    loaded = Instance(
        parsed,
        world.edges,
        Metrics(),
        read=lambda: parsed,
        reload=_nothing,
        fatal=lambda text: None,
        forget=lambda keys: None,
    )
    assert loaded.sites
    await loaded.stop()


@table("path", sorted((ROOT / "docs/plugins").glob("*.md")), ids=lambda path: path.stem)
def test_plugin_pages_have_the_usual_sections(path: Path) -> None:
    text = path.read_text()
    for heading in ("Name", "Description", "Syntax", "Examples"):
        assert re.search(rf"^#+ {heading}$", text, re.MULTILINE), f"{path.name} has no {heading}"
