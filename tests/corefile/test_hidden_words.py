"""Errors and logs do not show the text of files that a Corefile names.

An imported file in the Corefile's own folder shows harmless words: names of directives.
"""

import contextlib
import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from minidns import plugins
from minidns.cli import main
from minidns.corefile import blocks
from minidns.corefile.errors import ConfigError
from minidns.kubernetes import credentials
from minidns.kubernetes.resources import Access
from minidns.plugins.spec import PluginSpec
from minidns.server import tcp
from minidns.upstream.tls import client_context
from tests.serving import serving
from tests.table import table
from tests.world import World

SECRET = "s3cr3t-0paque-credential"
FILES = {
    "token": SECRET,
    "token at a line's end": f"{SECRET}\n",
    "shadow": f"root:{SECRET}:19000:0:99999:7:::\nbin:*:19000:0:99999:7:::\n",
    "words": f"password {SECRET} {{\n  {SECRET}\n}}\n",
    "key": f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n",
    "JSON": f'{{"token": "{SECRET}"}}\n',
    "YAML": f"users:\n- user:\n    token: {SECRET}\n",
    "quoted": f'"{SECRET} and more"\n',
    "braces": f"{{ {SECRET} }}\n",
}
PLACES = {
    "in a block": ".:53 {{\n    import {file}\n}}\n",
    "in a directive": ".:53 {{\n    cache {{\n        import {file}\n    }}\n}}\n",
    "in options": ".:53 {{\n    kubernetes a.example {{\n        import {file}\n    }}\n}}\n",
    "in forward": ".:53 {{\n    forward . 192.0.2.1 {{\n        import {file}\n    }}\n}}\n",
    "by a pattern": ".:53 {{\n    import {folder}/*.txt\n}}\n",
    "by a snippet": "(s) {{\n    import {file}\n}}\n.:53 {{\n    import s\n}}\n",
    "in an imported file": ".:53 {{\n    import {folder}/other\n}}\n",
}


@pytest.mark.slow
@table("words", [["check"], ["-conf"]], ids=["check", "serve"])
@table("place", PLACES.values(), ids=PLACES)
@table("content", FILES.values(), ids=FILES)
def test_the_text_of_a_file_that_is_no_corefile_is_not_shown(
    content: str, place: str, words: list[str], tmp_path: Path
) -> None:
    (tmp_path / "secret.txt").write_text(content)
    (tmp_path / "other").write_text("import secret.txt\n")
    file = tmp_path / "Corefile"
    file.write_text(place.format(file=tmp_path / "secret.txt", folder=tmp_path))
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert main([*words, str(file)]) != 0
    output = out.getvalue() + err.getvalue()
    assert SECRET not in output
    # the file and the line, unless the brace in it makes the Corefile another
    assert "secret.txt:" in output or "once per Server Block" in output


def test_words_of_the_corefile_itself_are_shown(tmp_path: Path) -> None:
    file = tmp_path / "Corefile"
    file.write_text(".:53 {\n    forwad . 192.0.2.1\n}\n")
    err = io.StringIO()
    with contextlib.redirect_stderr(err):
        assert main(["check", str(file)]) == 1
    assert "forwad" in err.getvalue()


LOOK_ALIKES = {
    **FILES,
    "hosts file": f"192.0.2.1 {SECRET}\n{SECRET} www.example.org\n",
    "hosts file with a name beyond limits": f"192.0.2.1 {SECRET}{'a' * 80}\n",
    "zone file without an SOA": f"{SECRET} 60 IN A 192.0.2.1\n",
    "zone file with a wrong type": f"@ 60 IN {SECRET} 192.0.2.1\n",
    "zone file with wrong data": f"@ 60 IN A {SECRET}\n",
    "zone file with a wrong TTL": f"$TTL {SECRET}\n",
    "zone file with a wrong origin": f"$ORIGIN {SECRET}..\n",
    "zone file that includes": f"$INCLUDE {SECRET}\n",
    "zone file that includes a path": f"$INCLUDE /{SECRET}/{SECRET}\n",
    "resolv.conf": f"nameserver {SECRET}\nsearch {SECRET}\n",
    "weights": f"{SECRET}\n192.0.2.1 {SECRET}\n",
    "weights of a wrong address": f"www.example.org\n{SECRET} 3\n",
    "server block": f"{SECRET} {{\n{SECRET}\n}}\n",
    "server blocks": f"{SECRET}:53 {{\nwhoami\n}}\n{SECRET}:53 {{\nwhoami\n}}\n",
    "unknown scheme": f"https://{SECRET}:53 {{\nwhoami\n}}\n",
    "import": f"import {SECRET}\n",
    "root": f"root {SECRET}\nfile {SECRET} example.org\n",
}
READERS = {
    "import": ".:0 {{\nimport {file}\n}}\n",
    "import of blocks": "import {file}\n.:0 {{\nwhoami\n}}\n",
    "hosts": ".:0 {{\nhosts {file}\n}}\n",
    "file": ".:0 {{\nfile {file} example.org\n}}\n",
    "$INCLUDE": ".:0 {{\nfile /zone example.org\n}}\n",
    "weights": ".:0 {{\nloadbalance weighted {file}\nwhoami\n}}\n",
    "resolv.conf": ".:0 {{\nforward . {file}\n}}\n",
    "search list": ".:0 {{\nautopath {file}\nwhoami\n}}\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["", "/elsewhere/"], ids=["nearby", "elsewhere"])
@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@table("content", LOOK_ALIKES.values(), ids=LOOK_ALIKES)
async def test_no_reader_shows_a_file_that_looks_like_one_of_its_own(
    content: str, reader: str, folder: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    path = f"{folder or Path.cwd().as_posix() + '/'}secret"
    zone = f"@ 60 IN SOA a. b. 1 2 3 4 5\n$INCLUDE {path}\n"
    world = World(files={path: content, "/zone": zone})
    error = ""
    try:
        async with serving(reader.format(file=path), world):
            pass
    except ConfigError as caught:
        error = f"{caught} {caught.text} {caught.hint}"
    assert SECRET not in error.lower()
    assert SECRET not in caplog.text.lower()


def _with_a_secret(plugin: PluginSpec) -> Iterator[str]:
    """Yield lines of a Corefile with a secret at each place of a plugin."""
    name = plugin.name
    yield f"{name} {SECRET}\n"
    yield f"{name} . {SECRET}\n"
    yield f"{name} {{\n{SECRET}\n}}\n"
    words = plugin.arguments.example.split() if plugin.arguments else []
    for at in range(len(words)):
        yield f"{name} {' '.join((*words[:at], SECRET, *words[at + 1 :]))}\n"
    for option in filter(lambda option: option.name, plugin.table):
        words = option.example.split()[:5] or [option.name]
        for at in range(1, len(words) + 1):
            yield f"{name} {{\n{' '.join((*words[:at], SECRET, *words[at + 1 :]))}\n}}\n"


@pytest.mark.slow
@pytest.mark.parametrize("plugin", plugins.registry(), ids=lambda plugin: plugin.name)
def test_no_plugin_shows_a_word_of_an_imported_file(plugin: PluginSpec, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "corefiles").mkdir()
    secret = tmp_path / "elsewhere" / "secret"
    file = tmp_path / "corefiles" / "Corefile"
    file.write_text(f".:53 {{\n    import {secret}\n}}\n")
    for text in _with_a_secret(plugin):
        secret.write_text(text)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(["check", str(file)])
        output = out.getvalue() + err.getvalue()
        assert SECRET not in output.lower(), text
        assert f"{secret}:" in output or not status or "..." not in output, text


HARMLESS = "forwad . 192.0.2.1\n"


@table(
    ("corefile", "imported", "is_shown"),
    [
        ("/etc/coredns/Corefile", "/etc/coredns/one", True),
        ("/etc/coredns/Corefile", "/etc/coredns/custom/one", True),
        ("/etc/coredns/Corefile", "/etc/coredns-custom/one", False),
        ("/etc/coredns/Corefile", "/etc/one", False),
        ("/Corefile", "/etc/one", False),
    ],
)
def test_the_folder_decides_whether_a_harmless_word_is_shown(corefile: str, imported: str, is_shown: bool) -> None:
    files = World(files={imported: HARMLESS}).files
    (error,) = blocks.problems(
        f".:53 {{\nimport {imported}\n}}\n", file=corefile, files=files, environ={}, known=plugins.ORDER
    )
    assert ("forwad" in str(error)) == is_shown
    assert f"{imported}:1" in str(error)


@table("content", LOOK_ALIKES.values(), ids=LOOK_ALIKES)
def test_what_is_no_key_or_kubeconfig_is_not_shown(content: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(content)
    path = str(secret)
    for read in (
        lambda: client_context(path),
        lambda: client_context(path, path),
        lambda: tcp.tls_context(path, path),
        lambda: credentials.find(Access(kubeconfig=path), {}, tmp_path),
    ):
        with pytest.raises((ConfigError, OSError)) as caught:
            read()
        assert SECRET not in str(caught.value)
