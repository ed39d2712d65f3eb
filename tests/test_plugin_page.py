"""The plugin of docs/howto/write-a-plugin.md is loaded from there and works as told."""

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from minidns import plugins
from sim.scenario.play import Scenario, play, steps
from tests.transcript import ROOT, File, read

PAGE = (ROOT / "docs/howto/write-a-plugin.md").read_text()
FILES = {step.name: step.text for step in read(PAGE) if isinstance(step, File)}
PLUGIN, TEST = "minidns/plugins/maxttl.py", "tests/plugins/test_maxttl.py"


def load(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The plugin as if it were a file of minidns, in its place in the order."""
    file = tmp_path / "maxttl.py"
    file.write_text(FILES[PLUGIN])
    monkeypatch.setattr(plugins, "maxttl", load("minidns.plugins.maxttl", file), raising=False)
    (snippet,) = re.findall(r'^```python\n(    ".*?)^```', PAGE, re.M | re.S)
    before, name, *after = re.findall(r'"(\w+)"', snippet)
    at = plugins.ORDER.index(before) + 1
    assert plugins.ORDER[at : at + len(after)] == tuple(after), "the page shows another order"
    order = (*plugins.ORDER[:at], name, *plugins.ORDER[at:])
    monkeypatch.setattr(plugins, "ORDER", order)
    yield
    del sys.modules["minidns.plugins.maxttl"]


@pytest.mark.usefixtures("installed")
async def test_its_test_passes(tmp_path: Path) -> None:
    file = tmp_path / "test_maxttl_of_the_page.py"
    file.write_text(FILES[TEST])
    module = load("test_maxttl_of_the_page", file)
    for most, ttl in ((30, 30), (3600, 3600), (86400, 3600)):
        await module.test_no_ttl_is_above_the_cap(most, ttl)
    for line in ("maxttl", "maxttl 1 2", "maxttl soon", "maxttl -1"):
        module.test_refused(line)


@pytest.mark.usefixtures("installed")
def test_a_server_with_it_caps_ttls() -> None:
    (corefile,) = re.findall(r"^```\n(\.:53.*?)^```", PAGE, re.M | re.S)
    text = (
        "outside example.org A 192.0.2.7\npod shop/client\ncorefile\n"
        + "".join(f"  {line}\n" for line in corefile.splitlines())
        + "query shop/client example.org A\n"
    )
    assert "maxttl 30" in text
    capped = play(Scenario("", tuple(steps(text, 1))))[-1].shown
    without = play(Scenario("", tuple(steps(text.replace("maxttl 30", ""), 1))))[-1].shown
    assert capped == ("NOERROR", "answer example.org. 30 A 192.0.2.7")
    assert without == ("NOERROR", "answer example.org. 300 A 192.0.2.7")


@pytest.mark.parametrize("name", [PLUGIN, TEST])
def test_it_is_in_the_style_of_the_rest(name: str) -> None:
    for command in (["check"], ["format", "--check"]):
        ended = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--stdin-filename", name, "-"],
            input=FILES[name], capture_output=True, text=True, cwd=ROOT, timeout=30, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout + ended.stderr
