"""Which files a container sees of ConfigMaps: paths to texts. Pure."""

import posixpath
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from minidns.corefile import imports
from minidns.kubernetes.documents import Json
from minidns.second_dns.changes import value_at


class Mount(NamedTuple):
    """One place in a container where a volume is found."""

    volume: Json
    mount: Json

    @property
    def path(self) -> str:
        """Where in the container."""
        return str(self.mount["mountPath"])

    @property
    def config_map(self) -> str:
        """Name of its ConfigMap; empty if it is another kind of volume."""
        return str(value_at(self.volume, ("configMap", "name")) or "")

    @property
    def is_frozen(self) -> bool:
        """Whether it never follows its ConfigMap (the kubelet updates no subPath)."""
        return bool(self.mount.get("subPath"))

    def holds(self, path: str) -> bool:
        """Return whether the file at ``path`` is in it."""
        return path == self.path or path.startswith(self.path.rstrip("/") + "/")

    def files(self, config_map: Json) -> Iterator[tuple[str, str]]:
        """Yield path and text of each file that it makes of its ConfigMap."""
        data = config_map.get("data") or {}
        items = value_at(self.volume, ("configMap", "items"))
        names = {i["key"]: i["path"] for i in items} if items else {k: k for k in data}
        for key, name in names.items():
            if key not in data:
                continue
            if not self.is_frozen:
                yield posixpath.join(self.path, name), data[key]
            elif self.mount["subPath"] == name:
                yield self.path, data[key]


class Mounted:
    """The files of a container, for who reads a Corefile with its imports."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files

    def read(self, path: str) -> str:
        """Return the text of the file at ``path``.

        Raises:
            OSError: there is none.

        """
        try:
            return self._files[path]
        except KeyError:
            raise FileNotFoundError(2, "No such file or directory", path) from None

    def glob(self, pattern: str) -> list[str]:
        """Return the paths that match, as ``import`` finds them.

        Raises:
            ValueError: the pattern is malformed.

        """
        return imports.glob(pattern, self._names, self._files.__contains__)

    def _names(self, folder: str) -> list[str]:
        inside = (posixpath.relpath(path, folder) for path in self._files)
        return sorted({name.partition("/")[0] for name in inside} - {".", ".."})


def of(spec: Json, container: Json) -> list[Mount]:
    """Return what ``container`` of a pod with this spec mounts, the deepest first."""
    volumes = {each["name"]: each for each in spec.get("volumes") or ()}
    mounts = [
        Mount(volumes[mount["name"]], mount)
        for mount in container.get("volumeMounts") or ()
        if mount["name"] in volumes
    ]
    return sorted(mounts, key=lambda each: -len(each.path))
