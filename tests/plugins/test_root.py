import logging

import pytest

from minidns.corefile.blocks import ConfigError
from minidns.plugins import root
from minidns.plugins.site import Site
from tests.world import World


def set_up(body: str) -> Site:
    world = World(files={"/etc/coredns/Corefile": ""})
    site = world.site(f".:53 {{\n{body}\n}}")
    root.PLUGIN.set_up(site.block.named("root"), site)
    return site


@pytest.mark.parametrize("path", ["/etc/coredns", "/etc/coredns/"])
def test_root(caplog: pytest.LogCaptureFixture, path: str) -> None:
    assert set_up(f"root {path}").root == path
    assert caplog.records == []


def test_the_last_one_counts() -> None:
    assert set_up("root /a\nroot /b").root == "/b"


def test_a_missing_folder_is_worth_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert set_up("root /nowhere").root == "/nowhere"
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.WARNING, "Root path does not exist: /nowhere")
    ]


@pytest.mark.parametrize("path", ["/[x", "/a]", "/a*?", "/a\\", "/[]/b", "/é\x1b[31m"])
def test_a_path_is_no_pattern(caplog: pytest.LogCaptureFixture, path: str) -> None:
    site = set_up(f"root {path}")
    assert site.root == path
    assert len(caplog.records) == 1
    caplog.clear()
    site = World(files={f"{path}/zone": ""}).site(f".:53 {{\nroot {path}\n}}")
    root.PLUGIN.set_up(site.block.named("root"), site)
    assert caplog.records == []


REFUSED = {"nothing": ("root", "root"), "two": ("root /a /b", "/b")}


@pytest.mark.parametrize(("body", "word"), REFUSED.values(), ids=REFUSED)
def test_refused(body: str, word: str) -> None:
    with pytest.raises(ConfigError) as caught:
        set_up(body)
    assert str(caught.value) == (
        f"Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending after '{word}'"
    )
