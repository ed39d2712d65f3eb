from pathlib import PurePath

import pytest

from minidns.corefile import blocks
from sim.node.kind_corefile import KIND
from sim.node.replica import Files, without_excluded


def test_files_of_a_pod() -> None:
    files = Files({"/etc/resolv.conf": "nameserver 192.0.2.53\n", "/a/x.db": ""})
    assert files.read("/etc/resolv.conf") == "nameserver 192.0.2.53\n"
    assert files.glob("/a/*.db") == ["/a/x.db"]
    with pytest.raises(FileNotFoundError):
        files.read("/etc/hosts")


def test_what_is_left_out_of_kinds_corefile_answers_no_queries() -> None:
    parsed = blocks.parse(KIND, files=Files({}), environ={})
    (block,) = without_excluded(parsed).blocks
    kept = [directive.name for directive in block.directives]
    assert kept == ["errors", "kubernetes", "forward", "cache", "loop", "loadbalance"]
    assert PurePath(block.file).name == "Corefile"
