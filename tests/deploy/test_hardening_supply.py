"""Rows 15 to 21 of the hardening checklist, over what minidns is made from."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.image import sbom
from tests.deploy import distributions
from tests.table import table

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.txt", "requirements-dev.txt")
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

DIRECT = 8
"""Direct dependencies: the checklist would have 3. What each of the others saves is said
beside it in pyproject.toml; five of the eight are dependencies of kubernetes, or small
packages without any of their own."""

MACHINE = "minidns/laptop/split_dns/machine.py"
IGNORED = {
    "S101": "asserts are for impossible states and for type checkers",
    "S104": "a DNS server binds all addresses unless told otherwise",
    "S311": "turns answers and spreads retries; message ids are made by secrets",
}
ACCEPTED = {
    ("S108", "minidns/plugins/ignored.py"): "an example of a path; nothing opens it",
    ("S310", "minidns/commands/endpoint.py"): "the scheme is checked in the line before",
    **dict.fromkeys((("S404", MACHINE), ("S603", MACHINE)), "commands of split-dns, as words, no shell"),
}
"""Accepted findings of the linter's security rules, with the reasons."""


def blocks(lock: str) -> list[str]:
    """Return the requirements of a lock file, each with its hashes."""
    text = (ROOT / lock).read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip() and line[0] != "#"]


@pytest.mark.parametrize("lock", LOCKS)
def test_15_every_requirement_is_pinned_and_has_hashes(lock: str) -> None:
    for block in blocks(lock):
        name, _, hashes = block.partition(" ")
        assert re.fullmatch(r"[a-z0-9][a-z0-9-]*==[\w.+!]+", name), block[:60]
        assert re.fullmatch(r"(\s*--hash=sha256:[0-9a-f]{64})+\s*", hashes), name


def test_15_what_is_served_is_locked_as_it_is_tested() -> None:
    run, dev = (dict(b.split(" ")[0].split("==") for b in blocks(lock)) for lock in LOCKS)
    assert run.items() <= dev.items()


def test_16_dependencies_are_few_and_each_says_what_for() -> None:
    assert len(PYPROJECT["project"]["dependencies"]) <= DIRECT
    text = (ROOT / "pyproject.toml").read_text()
    block = text[text.index("dependencies = [") : text.index("]", text.index("dependencies = ["))]
    for line in block.splitlines()[1:]:
        if line.strip():
            assert " # " in line, line


def test_16_a_bill_of_materials_is_made_of_what_is_installed(tmp_path: Path) -> None:
    described = tmp_path / "var/lib/dpkg/status.d"
    described.mkdir(parents=True)
    (described / "libssl3").write_text("Package: libssl3\nVersion: 1:3.0+1\nArchitecture: amd64\nDescription: x\n y\n")
    for name, version in (("kube-minidns", "0.1.0"), ("Some_Package", "2.0")):
        info = tmp_path / sbom.SITE / f"{name}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Name: {name}\nVersion: {version}\nLicense-Expression: MIT\n")
    made: Any = sbom.document(tmp_path)
    assert json.loads(json.dumps(made)) == made
    assert [component["purl"] for component in made["components"]] == [
        "pkg:deb/debian/libssl3@1%3A3.0%2B1?arch=amd64",
        "pkg:pypi/some-package@2.0",
    ]
    assert made["components"][1]["licenses"] == [{"expression": "MIT"}]
    assert made["metadata"]["component"]["purl"] == "pkg:pypi/kube-minidns@0.1.0"
    assert made == sbom.document(tmp_path)


def workflow(name: str) -> Any:
    return yaml.safe_load((ROOT / ".github/workflows" / name).read_text())


def commands(name: str) -> str:
    """Return every command of a workflow."""
    steps = [step for job in workflow(name)["jobs"].values() for step in job["steps"]]
    return "\n".join(step.get("run", "") for step in steps)


def test_17_known_vulnerabilities_are_looked_up_on_every_change() -> None:
    assert "pip-audit --require-hashes" in commands("ci.yml")
    accepted = (ROOT / ".github/vulnerabilities-accepted").read_text()
    for line in accepted.splitlines():
        assert line.startswith("#") or re.fullmatch(r"[\w-]+  # .{10,}", line), line


def findings() -> set[tuple[str, str]]:
    """Return what the linter's rules on security find."""
    rules = ("--isolated", "--preview", "--select", "S", "--ignore", ",".join(IGNORED))
    form = ("--output-format", "json")
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", *rules, *form, "minidns"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return {(found["code"], str(Path(found["filename"]).relative_to(ROOT))) for found in json.loads(done.stdout)}


def test_18_no_dangerous_construction_is_new() -> None:
    assert findings() <= ACCEPTED.keys()


def test_18_a_second_linter_looks_too() -> None:
    assert "bandit --recursive minidns" in commands("ci.yml")


@table("name", ["SECURITY.md", "LICENSE", "CONTRIBUTING.md", ".github/dependabot.yml"])
def test_19_habits_have_their_files(name: str) -> None:
    assert (ROOT / name).stat().st_size > 0


def test_19_reports_have_a_private_way_and_times() -> None:
    text = (ROOT / "SECURITY.md").read_text()
    assert "in private" in text
    assert len(re.findall(r"\d+ (?:working )?days", text)) >= 2


@table("path", WORKFLOWS, ids=lambda path: path.stem)
def test_19_workflows_may_read_and_use_actions_by_hash(path: Path) -> None:
    told = workflow(path.name)
    assert told["permissions"] == {"contents": "read"}
    for name, job in told["jobs"].items():
        assert "timeout-minutes" in job, name
        for step in job["steps"]:
            if "uses" in step:
                assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", step["uses"]), step["uses"]
                if step["uses"].startswith("actions/checkout@"):
                    assert step["with"]["persist-credentials"] is False
            # what a stranger may name does not become part of a command
            assert "${{" not in step.get("run", ""), name


def test_19_ci_runs_what_the_readme_says_on_every_change() -> None:
    told = workflow("ci.yml")
    assert set(told[True]) == {"push", "pull_request"}  # YAML 1.1 reads "on" as true
    assert "bash .ci/run" in commands("ci.yml")


def test_19_releases_are_signed() -> None:
    uses = [step.get("uses", "").partition("@")[0] for step in workflow("release.yml")["jobs"]["release"]["steps"]]
    assert uses.count("actions/attest") == 2  # where it comes from, and what is in it


def test_19_updates_come_by_themselves() -> None:
    told = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())
    ecosystems = {update["package-ecosystem"] for update in told["updates"]}
    assert ecosystems == {"pip", "github-actions", "docker"}


def test_19_no_program_is_in_the_repository() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a clone")
    for name in filter(None, listed.stdout.split(b"\0")):
        path = ROOT / name.decode()
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                assert file.read(4) not in (b"\x7fELF", b"MZ\x90\x00", b"PK\x03\x04"), path


@pytest.mark.slow
def test_20_wheel_and_sdist_are_the_same_bytes_when_built_again(tmp_path: Path) -> None:
    first = distributions.built(ROOT, tmp_path / "first")
    again = distributions.built(distributions.unpacked(first.sdist, tmp_path / "source"), tmp_path / "again")
    assert first.wheel.read_bytes() == again.wheel.read_bytes()
    assert first.sdist.read_bytes() == again.sdist.read_bytes()


DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_21_the_image_begins_with_nothing_and_starts_without_a_shell() -> None:
    last = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    assert last.startswith("\nFROM scratch\n")
    assert "\nRUN " not in last
    (entrypoint,) = re.findall(r"^ENTRYPOINT (.*)$", last, re.MULTILINE)
    assert json.loads(entrypoint) == ["/usr/local/bin/minidns"]
    assert "\nUSER 65532:65532\n" in last
    assert not re.search(r"^(CMD|ADD|ONBUILD|VOLUME|HEALTHCHECK)\b", last, re.MULTILINE)


def test_21_both_ways_to_build_it_put_it_together_alike() -> None:
    script = (ROOT / "deploy/image/build").read_text()
    assert "RUN deploy/image/assemble /image" in DOCKERFILE
    assert '"$source/deploy/image/assemble" "$work/build/image"' in script
    assert '/^FROM scratch/,$p\' "$source/Dockerfile"' in script
    assert "--require-hashes" in (ROOT / "deploy/image/assemble").read_text()


@table("path", ["Dockerfile", *(f"deploy/image/{n}" for n in ("build", "assemble"))])
def test_21_no_host_is_named_where_it_is_built(path: str) -> None:
    text = (ROOT / path).read_text()
    assert not re.search(r"https?://|index-url|trusted-host|--mirror", text)
