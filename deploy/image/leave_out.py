"""Leave out of the image what its packages bring and a serving minidns never reads.

``leave_out.py ROOT`` deletes what RULES name below ROOT and writes what it did to
ROOT/usr/share/minidns/left-out.txt. Nothing is changed in what stays, so an image made
with WHOLE=1 is the same plus these files.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SITE = "usr/local/lib/python3.11/dist-packages"
CLIENT = f"{SITE}/kubernetes/aio"


class Rule(NamedTuple):
    """Paths to delete, and what they are."""

    what: str
    paths: tuple[str, ...]
    """Patterns below the root; a folder goes with everything in it."""
    but: tuple[str, ...] = ()
    """Patterns of files that stay all the same."""


RULES = (
    Rule(
        "kubernetes: generated models and API classes, the synchronous half and its"
        " extras. minidns sends its own requests through the package's REST client"
        " (minidns/kubernetes/client.py) and decodes only what DNS needs",
        (f"{SITE}/kubernetes/*",),
        (
            f"{SITE}/kubernetes/__init__.py",
            f"{CLIENT}/__init__.py",
            f"{CLIENT}/config/*.py",
            f"{CLIENT}/utils/*retry*.py",
            f"{CLIENT}/utils/__init__.py",
            f"{CLIENT}/client/__init__.py",
            f"{CLIENT}/client/api_client.py",
            f"{CLIENT}/client/api_response.py",
            f"{CLIENT}/client/configuration.py",
            f"{CLIENT}/client/exceptions.py",
            f"{CLIENT}/client/rest.py",
            f"{CLIENT}/client/models/__init__.py",
        ),
    ),
    Rule(
        "tests that packages ship",
        (f"{CLIENT}/**/*_test.py", f"{SITE}/re2/*_test.py", f"{SITE}/*/tests"),
    ),
    Rule(
        "the simulated cluster, which is for laptops and tests",
        (f"{SITE}/minidns_sim", f"{SITE}/sim"),
    ),
    Rule(
        "programs: package management, archives, openssl's; only Python stays",
        ("bin/*", "sbin/*", "usr/bin/*", "usr/sbin/*", "usr/local/sbin/*"),
        ("usr/bin/python3.11",),
    ),
    Rule(
        "what those programs need: dpkg, debconf, apt, and their records",
        (
            "usr/lib/dpkg",
            "usr/lib/apt",
            "usr/lib/python3",
            "usr/libexec",
            "usr/share/dpkg",
            "usr/share/debconf",
            "usr/share/perl5",
            "usr/share/polkit-1",
            "usr/share/bash-completion",
            "usr/share/binfmts",
            "usr/share/bug",
            "lib/systemd",
            "etc/debconf.conf",
            "etc/rmt",
            "etc/apt",
            "etc/dpkg",
            "etc/alternatives",
            "etc/cron.daily",
            "etc/logrotate.d",
            "etc/ca-certificates*",
            "var/lib/apt",
            "var/lib/dpkg/*",
            "var/cache/*",
            "var/log/*",
        ),
        ("var/lib/dpkg/status.d/*",),
    ),
    Rule(
        "pages, translations and icons for people; copyright files stay",
        (
            "usr/share/man",
            "usr/share/info",
            "usr/share/locale",
            "usr/share/lintian",
            "usr/share/pixmaps",
            "usr/share/applications",
            "usr/share/doc/*/*",
        ),
        ("usr/share/doc/*/copyright",),
    ),
    Rule(
        "conversion of character sets that nothing here uses (Python has its own)",
        ("usr/lib/*/gconv",),
    ),
)


def _files(root: Path, patterns: tuple[str, ...]) -> Iterator[Path]:
    for pattern in patterns:
        for path in root.glob(pattern):
            found = path.rglob("*") if _is_folder(path) else (path,)
            for each in found:
                if not _is_folder(each):
                    # Debian links folders of documentation to one another
                    yield each.parent.resolve() / each.name


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def apply(rule: Rule, root: Path) -> int:
    """Delete what ``rule`` names below ``root``; return its bytes."""
    kept = set(_files(root, rule.but))
    gone = set(_files(root, rule.paths)) - kept
    size = sum(path.lstat().st_size for path in gone)
    for path in gone:
        path.unlink()
    return size


def _without_empty_folders(root: Path, patterns: tuple[str, ...]) -> None:
    for pattern in patterns:
        for top in sorted(root.glob(pattern)):
            if not _is_folder(top):
                continue
            below = [path for path in top.rglob("*") if _is_folder(path)]
            for folder in [*sorted(below, reverse=True), top]:
                if not any(folder.iterdir()):
                    folder.rmdir()


def main() -> None:
    """Leave out, and write down what."""
    root = Path(sys.argv[1])
    lines = []
    for rule in RULES:
        lines.append(f"{apply(rule, root) / 1e6:.1f} MB {rule.what}")
        _without_empty_folders(root, rule.paths)
    note = root / "usr/share/minidns/left-out.txt"
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
