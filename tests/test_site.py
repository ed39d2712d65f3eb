"""The hooks of mkdocs for pages and links (docs/hooks.py)."""

import importlib.util
from types import ModuleType

from tests.table import table
from tests.test_links import ROOT


def _hooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hooks", ROOT / "docs/hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hooks = _hooks()
PAGES = {"index.md", "howto/search-lists.md", "plugins/index.md", "project/architecture.md", "project/deploy.md"}


@table(
    ("file", "page"),
    [
        ("docs/howto/search-lists.md", "howto/search-lists.md"),
        ("docs/plugins", "plugins/index.md"),
        ("ARCHITECTURE.md", "project/architecture.md"),
        ("deploy/README.md", "project/deploy.md"),
    ],
)
def test_files_are_pages(file: str, page: str) -> None:
    assert hooks.page_of(file) == page


@table(
    ("path", "text", "adapted"),
    [
        ("docs/index.md", "[a](../ARCHITECTURE.md)", "[a](project/architecture.md)"),
        ("docs/index.md", "[a](../deploy/README.md#traps)", "[a](project/deploy.md#traps)"),
        ("docs/howto/search-lists.md", "[a](../index.md)", "[a](../index.md)"),
        ("docs/howto/search-lists.md", "[a](../../ARCHITECTURE.md)", "[a](../project/architecture.md)"),
        ("docs/index.md", "[a](plugins/)", "[a](plugins/index.md)"),
        ("ARCHITECTURE.md", "[a](docs/index.md)", "[a](../index.md)"),
        ("ARCHITECTURE.md", "[a](deploy/README.md)", "[a](deploy.md)"),
        ("deploy/README.md", "[a](../docs/howto/search-lists.md#who)", "[a](../howto/search-lists.md#who)"),
        ("docs/index.md", "[a](none.md)", "[a](none.md)"),
        ("docs/index.md", "[a](#here)", "[a](#here)"),
        ("docs/index.md", "[a](https://example.org/)", "[a](https://example.org/)"),
        ("docs/index.md", "```scenario continued\nx\n```", "```scenario\nx\n```"),
        ("docs/index.md", "```sh sim\nx\n```", "```sh\nx\n```"),
    ],
)
def test_pages_are_adapted(path: str, text: str, adapted: str) -> None:
    assert hooks.adapted(text, path, PAGES) == adapted


def test_a_folder_is_listed_once_and_may_have_a_list_of_its_own() -> None:
    nav = hooks.expanded("incidents/")
    assert nav.count("incidents/index.md") == 1
    assert "[index]" not in hooks.contents("incidents/")


def test_the_navigation_is_pages() -> None:
    nav = ["index.md", {"More": ["../SECURITY.md", {"Plugins": "plugins/"}]}]
    assert list(hooks.outside(nav)) == ["SECURITY.md"]
    assert list(hooks.folders(nav)) == ["plugins/"]
    first, more = hooks.expanded(nav)
    assert first == "index.md"
    security, plugins = more["More"]
    assert security == "project/security.md"
    assert plugins["Plugins"][0] == "plugins/index.md"
    assert "plugins/forward.md" in plugins["Plugins"]


def test_a_folder_has_a_page() -> None:
    lines = hooks.contents("plugins/").splitlines()
    assert lines[0] == "# Plugins"
    assert "- [any](any.md): answer ANY queries with a minimal response" in lines
    assert not [line for line in lines[2:] if line.endswith(": ")]


@table(
    ("text", "joined"),
    [
        ("一つ。\n二つ。", "一つ。二つ。"),
        ("一つ。\n`x`は\nABC", "一つ。`x`はABC"),
        ("one\ntwo", "one\ntwo"),
        ("# 一つ\n二つ。", "# 一つ\n二つ。"),
        ("- 一つ。\n- 二つ。", "- 一つ。\n- 二つ。"),
        ("| 一 |\n| --- |\n| 二 |", "| 一 |\n| --- |\n| 二 |"),
        ("```\n一つ。\n二つ。\n```\n三つ。", "```\n一つ。\n二つ。\n```\n三つ。"),
        ("一つ。\n\n二つ。", "一つ。\n\n二つ。"),
    ],
)
def test_japanese_sentences_have_no_space_between_them(text: str, joined: str) -> None:
    assert hooks.unspaced(text) == joined
