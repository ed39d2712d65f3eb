"""Machines that are folders, one for each recipe, and what stands in them."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

ZONE = "k8s.internal"
SERVER = "127.0.0.1:53"

FILES: Mapping[str, Mapping[str, str]] = {
    "macos": {
        "/System/Library/CoreServices/SystemVersion.plist": "",
        "/etc/resolv.conf": "-> ../var/run/resolv.conf",
        "/var/run/resolv.conf": "nameserver 192.0.2.1\n",
    },
    "resolved-link": {
        "/etc/resolv.conf": "-> ../run/systemd/resolve/stub-resolv.conf",
        "/run/systemd/resolve/stub-resolv.conf": "nameserver 127.0.0.53\n",
    },
    "resolved": {
        "/etc/resolv.conf": "-> /run/systemd/resolve/stub-resolv.conf",
        "/run/systemd/resolve/stub-resolv.conf": "nameserver 127.0.0.53\n",
        # somebody's own, in our place, and not ending in a line break
        "/etc/systemd/resolved.conf.d/minidns.conf": "[Resolve]\nDNS=192.0.2.9",
    },
    "networkmanager": {
        "/etc/resolv.conf": "nameserver 192.0.2.1\n",
        "/etc/NetworkManager/NetworkManager.conf": "[main]\nplugins=keyfile\n",
        "/usr/sbin/dnsmasq": "",
    },
    "dnsmasq": {"/etc/resolv.conf": "nameserver 127.0.0.1\n", "/etc/dnsmasq.conf": "conf-dir=/etc/dnsmasq.d/,*.conf\n"},
    "resolv.conf": {
        "/etc/resolv.conf": "-> ../run/resolvconf/resolv.conf",
        "/run/resolvconf/resolv.conf": "# by hand\nsearch lan\nnameserver 192.0.2.1\n",
    },
}
"""Files by recipe; a text that begins with an arrow is a symbolic link."""


def machine(recipe: str, root: Path) -> Path:
    """Make the machine of a recipe in ``root``; return that."""
    for path, text in FILES[recipe].items():
        real = root / path[1:]
        real.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("-> "):
            real.symlink_to(text[3:])
        else:
            real.write_text(text)
            real.chmod(0o640)
    return root


def snapshot(root: Path) -> dict[str, tuple[str | bytes, ...]]:
    """Return everything below ``root``: content, mode, owner."""
    found: dict[str, tuple[str | bytes, ...]] = {}
    for path in sorted(root.rglob("*")):
        seen = path.lstat()
        content = b""
        if stat.S_ISLNK(seen.st_mode):
            content = os.fsencode(os.readlink(path))
        elif stat.S_ISREG(seen.st_mode):
            content = path.read_bytes()
        owner = f"{seen.st_mode:o} {seen.st_uid}:{seen.st_gid}"
        found[str(path.relative_to(root))] = (owner, content)
    return found


def words(action: str, recipe: str, root: Path) -> list[str]:
    """Return the arguments of a command on a machine."""
    if action == "undo":
        return ["undo", "--root", str(root)]
    return [*(action, "--root", str(root), "--recipe", recipe), *("--zone", ZONE, "--server", SERVER)]
