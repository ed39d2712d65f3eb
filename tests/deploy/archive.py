"""An image as `docker save` and deploy/image/build write it: config and files."""

import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Image:
    """A docker-archive, unpacked."""

    tag: str
    config: dict[str, Any]
    root: Path

    def files(self) -> list[Path]:
        """Return every file, as a path below the root."""
        return [
            path.relative_to(self.root) for path in self.root.rglob("*") if path.is_file() and not path.is_symlink()
        ]

    @property
    def size(self) -> int:
        """Return the bytes of all files."""
        return sum((self.root / path).stat().st_size for path in self.files())


def unpacked(archive: Path, into: Path) -> Image:
    """Unpack a docker-archive, layer upon layer."""
    with tarfile.open(archive) as outer:
        (manifest,) = json.loads(_read(outer, "manifest.json"))
        config = json.loads(_read(outer, manifest["Config"]))
        for layer in manifest["Layers"]:
            with tarfile.open(fileobj=outer.extractfile(layer)) as inner:
                # as it is: who owns it and what may be done to it are looked at
                inner.extractall(into, filter="fully_trusted")
    into.chmod(0o755)  # as a runtime makes it
    return Image(manifest["RepoTags"][0], config["config"], into)


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None, f"{name} is no file"
    return file.read()
