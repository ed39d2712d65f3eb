"""The wheel: what is in it, and that it works where nothing else of this project is."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import aiohttp
import pytest

from minidns import __version__
from tests.deploy import distributions
from tests.deploy.distributions import Built

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return distributions.built(ROOT, tmp_path_factory.mktemp("dist"))


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_nothing_lands_in_site_packages_that_others_may_call_theirs(built: Built) -> None:
    tops = {name.partition("/")[0] for name in names(built.wheel)}
    assert tops == {"minidns", "minidns_sim", f"kube_minidns-{__version__}.dist-info"}


def test_server_and_simulation_are_whole(built: Built) -> None:
    packed = set(names(built.wheel))
    for folder, called in (("minidns", "minidns"), ("sim", "minidns_sim")):
        for path in (path for end in ("py", "html", "css", "js") for path in (ROOT / folder).rglob(f"*.{end}")):
            assert f"{called}/{path.relative_to(ROOT / folder)}" in packed
    assert "minidns/py.typed" in packed


def test_the_version_is_that_of_the_package(built: Built) -> None:
    assert built.wheel.name == f"kube_minidns-{__version__}-py3-none-any.whl"
    assert built.sdist.name == f"kube_minidns-{__version__}.tar.gz"


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the programs' folder of an environment with the wheel and its dependencies."""
    folder = tmp_path_factory.mktemp("venv")
    base = Path(sys.base_prefix) / "bin/python3"
    run(base, "-m", "venv", "--without-pip", folder)
    pip = (base, "-m", "pip", "--python", folder / "bin/python", "--disable-pip-version-check")
    if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode:
        pytest.skip("the system's Python has no pip that can install elsewhere")
    run(*pip, "install", "--quiet", "--no-index", "--no-deps", built.wheel)
    (site,) = folder.glob("lib/python*/site-packages")
    for path in Path(aiohttp.__file__).parents[1].iterdir():
        # the dependencies of these tests; what is tested comes of the wheel alone
        if not re.search(r"minidns|\.pth$|^pip", path.name):
            (site / path.name).symlink_to(path)
    return folder / "bin"


def run(*command: str | Path, cwd: Path | None = None) -> str:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_minidns_says_its_version(installed: Path, tmp_path: Path) -> None:
    said = run(installed / "minidns", "-version", cwd=tmp_path)
    assert said.startswith(f"minidns-{__version__}\n")


def test_minidns_checks_a_corefile(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "Corefile").write_text(".:53 {\n  whoami\n}\n")
    assert "whoami" in run(installed / "minidns", "check", cwd=tmp_path)


def test_the_simulation_helps(installed: Path, tmp_path: Path) -> None:
    assert "demo" in run(installed / "minidns-sim", "--help", cwd=tmp_path)


def test_every_module_of_the_simulation_is_imported_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    """In the wheel ``sim`` is ``minidns_sim``: its modules import each other relatively."""
    code = """
import importlib, pkgutil, sys, minidns_sim
for module in pkgutil.walk_packages(minidns_sim.__path__, "minidns_sim."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
assert "sim" not in sys.modules
print(len(sys.modules))
"""
    assert int(run(installed / "python", "-c", code, cwd=tmp_path)) > 50


def test_the_demo_runs_and_all_comes_as_said(installed: Path, tmp_path: Path) -> None:
    told = run(installed / "minidns-sim", "demo", cwd=tmp_path)
    assert re.search(r"\d+ steps, \d+ checks: all passed", told)


def test_in_a_clone_the_simulation_has_the_same_name(tmp_path: Path) -> None:
    code = "import minidns_sim.api.kinds as k; print(k.__name__, k.__file__)"
    name, file = run(sys.executable, "-c", code, cwd=ROOT).split()
    assert name == "minidns_sim.api.kinds"
    assert Path(file) == ROOT / "sim/api/kinds.py"


@pytest.mark.skipif(shutil.which("make") is None, reason="make is missing")
def test_make_dist_builds_what_is_tested_here() -> None:
    told = run("make", "--dry-run", "dist", cwd=ROOT)
    assert "-m hatchling build" in told
