"""What a container runtime and a kubelet do for a pod, as far as Linux alone can.

To be run as root in a mount and a network namespace of its own. The root is mounted
read-only, the process has no capability and can gain none, and the ports from 53 up are
anybody's, as the sysctl of the Deployment says.
"""

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

UNPRIVILEGED_PORTS = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
ACCOUNT = "run/secrets/kubernetes.io/serviceaccount"
"""The target of the link /var/run in the image; the link must not be followed on the host."""
SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
LAST_CAP = 63

_libc = ctypes.CDLL(None, use_errno=True)


def network(first_port: int) -> None:
    """Give this network namespace a loopback interface, and its pods' sysctl."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
    UNPRIVILEGED_PORTS.write_text(f"{first_port}\n")


def mount(source: Path, target: Path) -> None:
    """Show ``source`` at ``target``, read-only."""
    target.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "--bind", source, target], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", target], check=True)


def root(of: Path, volumes: dict[str, Path], at: Path) -> None:
    """Show an image's files at ``at`` with volumes, all of it read-only."""
    for path in volumes:
        (of / path).mkdir(parents=True, exist_ok=True)
    mount(of, at)
    for path, source in volumes.items():
        mount(source, at / path)


def start(root: Path, user: str, args: Sequence[str], environ: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    """Start the process of a container, as a Deployment of deploy/ wants it."""
    uid, gid = (int(number) for number in user.split(":"))

    def enter() -> None:
        os.chroot(root)
        os.chdir("/")
        for number in range(LAST_CAP + 1):
            _libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)  # EINVAL past the last one
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
        assert _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0

    with log.open("wb") as output:
        return subprocess.Popen(args, env=environ, stdout=output, stderr=output, preexec_fn=enter)


def status(pid: int) -> dict[str, str]:
    """Return what /proc says of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (x.partition(":") for x in lines)}


def listening() -> list[str]:
    """Return the sockets that wait for something: protocol, address and port."""
    found = []
    for protocol, state in (("tcp", "0A"), ("udp", "07"), ("tcp6", "0A"), ("udp6", "07")):
        for line in Path(f"/proc/net/{protocol}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == state:
                found.append(f"{protocol} {_address(fields[1])}")
    return sorted(found)


def _address(text: str) -> str:
    address, port = text.split(":")
    family = socket.AF_INET if len(address) == 8 else socket.AF_INET6
    words = [address[i : i + 8] for i in range(0, len(address), 8)]
    raw = b"".join(bytes.fromhex(word)[::-1] for word in words)
    return f"{socket.inet_ntop(family, raw)} {int(port, 16)}"
