"""Errors do not show the text of an imported file that is not a Corefile."""

import contextlib
import io
from pathlib import Path

import pytest

from minidns.cli import main

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


@pytest.mark.parametrize("words", [["check"], ["-conf"]], ids=["check", "serve"])
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
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
