"""Wheel and source distribution, built as `make dist` builds them."""

import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Built:
    """The files that a build made."""

    wheel: Path
    sdist: Path


def built(source: Path, into: Path) -> Built:
    """Build both from a folder of source."""
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", into],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,), (sdist,) = into.glob("*.whl"), into.glob("*.tar.gz")
    return Built(wheel, sdist)


def unpacked(sdist: Path, into: Path) -> Path:
    """Unpack a source distribution; return its folder, as the repository has it."""
    with tarfile.open(sdist) as archive:
        # Python 3.11.2 does not know it, 3.12 wants it
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(into)
    (folder,) = into.iterdir()
    (folder / "PKG-INFO").unlink()  # made by the build
    return folder
