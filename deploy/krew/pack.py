"""Packs the Krew plugin, the same bytes whenever it is built: ``make krew``."""

import sys
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo

HERE = Path(__file__).parent
FILES = {
    "kubectl-minidns": HERE / "kubectl-minidns",
    "LICENSE": HERE.parents[1] / "LICENSE",
}
MODES = {"kubectl-minidns": 0o755, "LICENSE": 0o644}


def pack(to: Path) -> None:
    """Write the archive that the manifest names."""
    with ZipFile(to, "w", ZIP_STORED) as archive:
        for name, path in FILES.items():
            entry = ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, (0o100000 | MODES[name]) << 16
            archive.writestr(entry, path.read_bytes())


if __name__ == "__main__":
    pack(Path(sys.argv[1]))
