"""The image: what is in it, and how it runs as a pod would run it.

MINIDNS_IMAGE names the archive that deploy/image/build wrote (`make image-test`).
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from minidns import __version__
from tests.deploy import archive
from tests.deploy.archive import Image

ARCHIVE = os.environ.get("MINIDNS_IMAGE", "")
ROOT = Path(__file__).parents[2]
MIB = 1 << 20

pytestmark = [
    pytest.mark.skipif(not ARCHIVE, reason="MINIDNS_IMAGE names no archive"),
    pytest.mark.skipif(os.geteuid() != 0, reason="unpacking and running need root"),
    pytest.mark.timeout(180),
]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return archive.unpacked(Path(ARCHIVE), tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def report(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Any:
    if shutil.which("unshare") is None:
        pytest.skip("unshare (util-linux) is missing")
    # runs on a copy: the image itself stays as it was unpacked
    work = tmp_path_factory.mktemp("run")
    shutil.copytree(image.root, work / "image", symlinks=True)
    (work / "work").mkdir()
    done = subprocess.run(
        [
            *("unshare", "--net", "--mount", "--propagation", "private"),
            *(sys.executable, "-m", "tests.deploy.inside"),
            *(work / "image", json.dumps(image.config), work / "work"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_is_smaller_than_120_mb(image: Image) -> None:
    assert image.size < 120e6, f"{image.size / 1e6:.0f} MB"


def test_its_name_is_the_one_the_manifests_use(image: Image) -> None:
    assert image.tag == f"localhost/minidns:{__version__}"


def test_its_user_is_a_number_and_its_entrypoint_no_shell(image: Image) -> None:
    assert image.config["User"] == "65532:65532"
    assert image.config["Entrypoint"] == ["/usr/local/bin/minidns"]
    assert image.config["WorkingDir"] == "/"


def test_its_labels_are_those_of_the_image_specification(image: Image) -> None:
    labels = image.config["Labels"]
    wanted = {"title", "description", "licenses", "version", "revision"}
    found = {name.rpartition(".")[2] for name in labels if name.startswith("org.opencontainers.image.")}
    assert found == wanted
    assert labels["org.opencontainers.image.version"] == __version__


def test_no_program_is_in_it_but_python_and_minidns(image: Image) -> None:
    programs = {str(path) for path in image.files() if re.match(r"(usr/)?(local/)?s?bin/", str(path))}
    assert programs == {"usr/bin/python3.11", "usr/local/bin/minidns"}


def test_no_file_gives_its_starter_other_rights(image: Image) -> None:
    for path in image.files():
        assert not (image.root / path).stat().st_mode & 0o6000, f"{path} is setuid"
        assert not os.listxattr(image.root / path, follow_symlinks=False), path


def test_nothing_in_it_may_be_written_by_its_user(image: Image) -> None:
    for path in image.root.rglob("*"):
        if path.is_symlink() or path == image.root / "tmp":
            continue
        told = path.stat()
        assert told.st_uid == told.st_gid == 0, f"{path} is not root's"
        assert not told.st_mode & 0o022, f"{path} may be written by others"


def test_nothing_of_the_machine_that_built_it_is_in_it(image: Image) -> None:
    for name in ("etc/resolv.conf", "etc/hostname", "etc/apt", "root"):
        assert not (image.root / name).exists(), name
    assert not list(image.root.rglob("direct_url.json"))


def test_its_bill_of_materials_names_every_locked_package(image: Image) -> None:
    told = json.loads((image.root / "usr/share/minidns/sbom.cdx.json").read_text())
    listed = {component["purl"] for component in told["components"]}
    lock = (ROOT / "requirements.txt").read_text()
    locked = re.findall(r"^([a-z0-9-]+)==(\S+)", lock, re.MULTILINE)
    assert {f"pkg:pypi/{name}@{version}" for name, version in locked} <= listed
    assert any(purl.startswith("pkg:deb/debian/libssl3@") for purl in listed)
    assert told["metadata"]["component"]["purl"] == f"pkg:pypi/kube-minidns@{__version__}"


def test_it_says_what_was_left_out(image: Image) -> None:
    told = (image.root / "usr/share/minidns/left-out.txt").read_text()
    assert "kubernetes: generated models" in told


def test_it_answers_on_port_53_over_udp_and_tcp(report: Any) -> None:
    assert report["answers"] == {"udp": ["10.96.0.1"], "tcp": ["10.96.0.1"]}
    assert len(report["populated"]["udp"]) == 1


def test_without_the_sysctl_of_the_manifests_it_says_why_it_cannot(report: Any) -> None:
    assert report["without sysctl"].startswith("1 ")
    assert "53: bind: permission denied" in report["without sysctl"]


def test_it_runs_as_a_user_without_any_capability(report: Any) -> None:
    status = report["status"]
    assert status["Uid"].split() == ["65532"] * 4
    assert status["Gid"].split() == ["65532"] * 4
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[kind], 16) == 0, kind
    assert status["NoNewPrivs"] == "1"


def test_it_needs_no_more_than_128_mib(report: Any) -> None:
    peak = int(report["status"]["VmHWM"].removesuffix(" kB")) * 1024
    assert peak < 128 * MIB, f"{peak / MIB:.0f} MiB"


def test_it_opens_what_the_corefile_says_and_nothing_else(report: Any) -> None:
    found = [line for line in report["listening"] if "127.0.0.1" not in line]
    ports = {(line.split()[0].rstrip("6"), int(line.split()[2])) for line in found}
    assert ports == {("udp", 53), ("tcp", 53), ("tcp", 8080), ("tcp", 8181), ("tcp", 9153)}
    # minidns why, for `kubectl exec`; the other one is the simulated API server
    own = [line for line in report["listening"] if "127.0.0.1" in line]
    assert "tcp 127.0.0.1 8053" in own
    assert len(own) == 2


def test_it_serves_metrics(report: Any) -> None:
    assert report["metrics"] == 200


def test_it_ends_in_order_when_told_to(report: Any) -> None:
    assert report["exit"] == 0
    assert "[INFO] SIGTERM: Shutting down servers then terminating" in report["log"]


def test_its_token_is_not_in_its_log(report: Any) -> None:
    assert "a-token-that-nobody-guesses" not in report["log"]


def test_what_is_left_of_the_kubernetes_client_is_all_that_is_used(report: Any) -> None:
    names = report["ran"]["client"]
    assert "kubernetes.aio.client.rest" in names
    assert "kubernetes.aio.config.kube_config" in names


def test_its_root_cannot_be_written(report: Any) -> None:
    assert "OSError: [Errno 30] Read-only file system" in report["ran"]["write"]


def test_it_knows_public_authorities(report: Any) -> None:
    count = re.search(r"'x509_ca': (\d+)", report["ran"]["authorities"])
    assert count is not None
    assert int(count[1]) > 100


def test_its_modules_are_compiled(report: Any) -> None:
    assert "True" in report["ran"]["compiled"]
