"""The kubectl plugin for Krew, and the unit of systemd: files that users install."""

import configparser
import hashlib
import shlex
import subprocess
import zipfile
from pathlib import Path

import yaml

from deploy.krew import pack
from minidns import __version__, cli

ROOT = Path(__file__).parents[2]


def test_the_manifest_is_that_of_the_archive(tmp_path: Path) -> None:
    manifest = yaml.safe_load((ROOT / "deploy/krew/minidns.yaml").read_text())
    pack.pack(tmp_path / "a.zip")
    (platform,) = manifest["spec"]["platforms"]
    assert platform["sha256"] == hashlib.sha256((tmp_path / "a.zip").read_bytes()).hexdigest()
    assert manifest["spec"]["version"] == f"v{__version__}"
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        program = archive.getinfo(platform["bin"])
        assert program.external_attr >> 16 & 0o111


def test_the_plugin_runs_minidns_or_says_what_is_missing(tmp_path: Path) -> None:
    plugin = ROOT / "deploy/krew/kubectl-minidns"

    def run() -> subprocess.CompletedProcess[str]:
        words = ["/bin/sh", str(plugin), "status", "-o", "a b"]
        return subprocess.run(words, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)

    assert (run().returncode, len(run().stderr.splitlines())) == (1, 1)
    (tmp_path / "minidns").write_text('#!/bin/sh\nprintf "%s," "$@"\n')
    (tmp_path / "minidns").chmod(0o755)
    assert run().stdout == "status,-o,a b,"


def test_the_unit_runs_a_command_that_there_is() -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(ROOT / "deploy/systemd/minidns.service")
    program, *words = shlex.split(unit["Service"]["ExecStart"])
    command, rest = cli.PROGRAM.split(words)
    assert program == "%h/.local/bin/minidns"
    found = cli.PROGRAM.find(command)
    assert found is not None
    assert found.load().parser().parse(rest)
