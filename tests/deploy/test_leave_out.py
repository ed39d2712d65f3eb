"""The files that the image leaves out, each by a rule with its reason."""

import sys
from pathlib import Path

import pytest

from deploy.image import leave_out
from deploy.image.leave_out import CLIENT, RULES, SITE, Rule

STAYS = (
    f"{CLIENT}/__init__.py",
    f"{CLIENT}/client/rest.py",
    f"{CLIENT}/client/models/__init__.py",
    f"{CLIENT}/config/kube_config.py",
    f"{SITE}/minidns/server.py",
    f"{SITE}/kubernetes-37.0.2.dist-info/METADATA",
    "usr/bin/python3.11",
    "usr/local/bin/minidns",
    "usr/share/doc/libssl3/copyright",
    "var/lib/dpkg/status.d/libssl3",
    "etc/ssl/certs/ca-certificates.crt",
)
GOES = (
    f"{SITE}/kubernetes/client/models/v1_pod.py",
    f"{CLIENT}/client/models/v1_pod.py",
    f"{CLIENT}/client/api/core_v1_api.py",
    f"{CLIENT}/config/kube_config_test.py",
    f"{SITE}/minidns_sim/apiserver.py",
    "usr/bin/dpkg",
    "bin/tar",
    "usr/share/doc/libssl3/changelog.gz",
    "usr/share/man/man1/tar.1",
    "var/lib/dpkg/status",
)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (*STAYS, *GOES):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x" * 100_000)
    monkeypatch.setattr(sys, "argv", ["leave_out.py", str(tmp_path)])
    leave_out.main()
    return tmp_path


@pytest.mark.parametrize("name", STAYS)
def test_it_stays(root: Path, name: str) -> None:
    assert (root / name).exists()


@pytest.mark.parametrize("name", GOES)
def test_it_goes(root: Path, name: str) -> None:
    assert not (root / name).exists()


def test_no_folder_is_left_empty(root: Path) -> None:
    assert not (root / f"{SITE}/kubernetes/client").exists()
    assert not (root / f"{SITE}/minidns_sim").exists()


def test_every_rule_is_told_with_what_it_saved(root: Path) -> None:
    told = (root / "usr/share/minidns/left-out.txt").read_text().splitlines()
    assert len(told) == len(RULES)
    assert told[0].startswith("0.3 MB kubernetes: ")


def test_a_link_between_folders_is_not_followed_twice(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/one").write_text("1")
    (tmp_path / "linked").symlink_to("real")
    assert leave_out.apply(Rule("both", ("*/one",)), tmp_path) == 1
