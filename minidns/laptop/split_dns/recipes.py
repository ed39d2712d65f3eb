"""Configuration that makes a resolver ask another server for some names. Pure.

A recipe looks at the machine and returns a plan; it changes nothing.
"""

from collections.abc import Callable
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from msgspec import Struct

from minidns.dns import resolv_conf as resolvconf
from minidns.dns.model import Address, Name
from minidns.dns.resolv_conf import BEFORE_US, RESOLV_CONF, STUB
from minidns.laptop.split_dns.machine import Machine

_HEAD = "# Written by minidns split-dns; minidns split-dns undo takes it away.\n"
_MAC = "/System/Library/CoreServices/SystemVersion.plist"
_NETWORK_MANAGER = "/etc/NetworkManager"
_LINK = "minidns0"
_LINK_ADDRESS = "192.0.2.53/32"
"""A link without an address is not used; this one is for documentation (RFC 5737)."""
_DNSMASQ = ("/usr/sbin/dnsmasq", "/usr/local/sbin/dnsmasq", "/usr/bin/dnsmasq")
_MAX_NAMESERVERS = 3  # what glibc reads (resolv.conf(5))


class Refusal(Exception):
    """The command refuses to act; ``str()`` says why, and what to do."""


class Wanted(NamedTuple):
    """The zones that a laptop's resolver is to send to a server."""

    zones: tuple[Name, ...]
    """Queries for names at or below these go to ``server``."""
    server: Address

    @property
    def shown(self) -> str:
        """The server as people write it."""
        host, port = self.server
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def bare(self) -> tuple[str, ...]:
        """The zones without the final dot."""
        return tuple(zone.removesuffix(".") for zone in self.zones)


class Write(NamedTuple):
    """A file to write, with its text."""

    path: str
    text: str


class Command(Struct, frozen=True):
    """A program to run, with its arguments."""

    argv: tuple[str, ...]
    why: str
    when: str = ""
    """Path that must exist for it to run; an undo may follow an incomplete apply."""


class Plan(NamedTuple):
    """The steps of an apply, in order."""

    recipe: str
    wanted: Wanted
    writes: tuple[Write, ...] = ()
    commands: tuple[Command, ...] = ()
    """Programs to run after the files are written."""
    undo: tuple[Command, ...] = ()
    """Programs to run after an undo has restored the files."""
    notes: tuple[str, ...] = ()
    """Notes for people to read before they apply it."""


def macos(wanted: Wanted, machine: Machine) -> Plan:
    """Return files in /etc/resolver, one for each zone (resolver(5))."""
    host, port = wanted.server
    text = f"{_HEAD}nameserver {host}\nport {port}\ntimeout 2\n"
    flush = (
        Command(("dscacheutil", "-flushcache"), "clear the cache"),
        Command(
            ("killall", "-HUP", "mDNSResponder"), "clear the cache of mDNSResponder"
        ),
    )
    return Plan(
        "macos",
        wanted,
        tuple(Write(f"/etc/resolver/{zone}", text) for zone in wanted.bare),
        flush,
        flush,
        (
            "dig, host and nslookup do not read /etc/resolver: try"
            f" dscacheutil -q host -a name kubernetes.default.svc.{wanted.bare[0]}",
        ),
    )


def resolved_link(wanted: Wanted, machine: Machine) -> Plan:
    """Return commands that make a link of its own with servers (resolvectl(1))."""
    if machine.exists(f"/sys/class/net/{_LINK}"):
        raise Refusal(
            f"there is a link {_LINK} already, and no record of ours: delete it"
            f" (ip link delete dev {_LINK}), or use --recipe resolved"
        )
    ip = ("ip", "link", "add", "dev", _LINK, "type", "dummy")
    address = ("ip", "address", "add", _LINK_ADDRESS, "dev", _LINK)
    zones = tuple(f"~{zone}" for zone in wanted.bare)
    return Plan(
        "resolved-link",
        wanted,
        commands=(
            Command(ip, "a link that only carries the setting"),
            Command(address, "systemd-resolved uses no link without an address"),
            Command(("ip", "link", "set", "dev", _LINK, "up"), "nor one that is down"),
            Command(("resolvectl", "dns", _LINK, wanted.shown), "the server to ask"),
            Command(("resolvectl", "domain", _LINK, *zones), "for which names"),
            Command(("resolvectl", "default-route", _LINK, "false"), "and no others"),
        ),
        undo=(
            Command(
                ("ip", "link", "delete", "dev", _LINK),
                "the setting goes with it",
                when=f"/sys/class/net/{_LINK}",
            ),
        ),
        notes=("It is gone after a restart of the machine: apply it again then.",),
    )


def resolved(wanted: Wanted, machine: Machine) -> Plan:
    """Return a drop-in for systemd-resolved (resolved.conf(5))."""
    zones = " ".join(f"~{zone}" for zone in wanted.bare)
    text = f"{_HEAD}[Resolve]\nDNS={wanted.shown}\nDomains={zones}\n"
    restart = (("systemctl", "restart", "systemd-resolved"), "it reads files at start")
    return Plan(
        "resolved",
        wanted,
        (Write("/etc/systemd/resolved.conf.d/minidns.conf", text),),
        (Command(*restart),),
        (Command(*restart),),
        (
            "A server of systemd-resolved's own list is asked for other names, too,"
            " beside those of the links; minidns forwards them. --recipe resolved-link"
            " does without that, until the machine restarts.",
            "Where all servers are in that list and none at a link, use resolved-link:"
            " only one of the list is asked at a time.",
            "A port other than 53 needs systemd 246 or later.",
        ),
    )


def dnsmasq(wanted: Wanted, machine: Machine) -> Plan:
    """Return a file for a dnsmasq that runs by itself (dnsmasq(8))."""
    notes = []
    if not _reads_folder(machine):
        notes.append(
            "Nothing here says that dnsmasq reads /etc/dnsmasq.d: put"
            " conf-dir=/etc/dnsmasq.d,*.conf into /etc/dnsmasq.conf"
        )
    if not _names_loopback(machine):
        notes.append(
            f"{RESOLV_CONF} does not name 127.0.0.1: programs do not ask this dnsmasq"
        )
    restart = (("systemctl", "restart", "dnsmasq"), "it reads files at start")
    return Plan(
        "dnsmasq",
        wanted,
        (Write("/etc/dnsmasq.d/minidns.conf", _dnsmasq_lines(wanted)),),
        (Command(*restart),),
        (Command(*restart),),
        tuple(notes),
    )


def network_manager(wanted: Wanted, machine: Machine) -> Plan:
    """Return files for NetworkManager's own dnsmasq (NetworkManager.conf(5))."""
    if not any(map(machine.exists, _DNSMASQ)):
        raise Refusal(
            "dnsmasq is not installed, which NetworkManager would run: install it"
            " (Debian: dnsmasq-base), or choose another --recipe"
        )
    writes = [
        Write(f"{_NETWORK_MANAGER}/dnsmasq.d/minidns.conf", _dnsmasq_lines(wanted))
    ]
    notes = []
    if not _has_own_dnsmasq(machine):
        text = f"{_HEAD}[main]\ndns=dnsmasq\n"
        writes.insert(0, Write(f"{_NETWORK_MANAGER}/conf.d/minidns.conf", text))
        notes.append(
            "NetworkManager does not run dnsmasq so far: from then on all names of this"
            " machine go through one"
        )
    restart = (("systemctl", "restart", "NetworkManager"), "it starts its dnsmasq anew")
    return Plan(
        "networkmanager",
        wanted,
        tuple(writes),
        (Command(*restart),),
        (Command(*restart),),
        (*notes, "A restart of NetworkManager keeps connections, but not every VPN."),
    )


def resolv_conf(wanted: Wanted, machine: Machine) -> Plan:
    """Return a /etc/resolv.conf that names minidns first: the last resort."""
    host, port = wanted.server
    if port != 53:
        raise Refusal(
            f"{RESOLV_CONF} cannot name a port, so minidns has to answer at port 53:"
            f" sudo minidns up --listen {host}:53, and split-dns --server {host}:53"
        )
    before = machine.text(RESOLV_CONF)
    others = [server for server in resolvconf.nameservers(before) if server != host]
    settings = [
        line
        for line in before.splitlines()
        if line.split()[:1] in (["search"], ["domain"], ["options"])
    ]
    servers = [f"nameserver {server}" for server in (host, *others)]
    lines = [*servers[:_MAX_NAMESERVERS], *settings]
    return Plan(
        "resolv.conf",
        wanted,
        (
            # first, so that minidns can forward before the first query reaches it
            Write(BEFORE_US, before),
            Write(RESOLV_CONF, _HEAD + "".join(f"{line}\n" for line in lines)),
        ),
        notes=(
            "The last resort: every name that this machine looks up goes through"
            " minidns, not only the cluster's.",
            f"minidns up forwards to the servers in {BEFORE_US} from its next start on."
            " Start it before this is applied.",
            "The old servers stay behind it: glibc asks them when minidns is not"
            " there, but musl asks all at once and may take their NXDOMAIN.",
            "NetworkManager, DHCP clients and VPNs may write this file anew.",
        ),
    )


def _dnsmasq_lines(wanted: Wanted) -> str:
    host, port = wanted.server
    lines = [f"server=/{zone}/{host}#{port}\n" for zone in wanted.bare]
    # private addresses are what a cluster has; stop-dns-rebind would hide them
    lines += [f"rebind-domain-ok=/{zone}/\n" for zone in wanted.bare]
    return _HEAD + "".join(lines)


def _reads_folder(machine: Machine) -> bool:
    texts = map(machine.text, ("/etc/dnsmasq.conf", "/etc/default/dnsmasq"))
    lines = (line.strip() for text in texts for line in text.splitlines())
    return any(
        line.startswith(("conf-dir=/etc/dnsmasq.d", "CONFIG_DIR=/etc/dnsmasq.d"))
        for line in lines
    )


def _names_loopback(machine: Machine) -> bool:
    servers = resolvconf.nameservers(machine.text(RESOLV_CONF))
    return bool({"127.0.0.1", "::1"}.intersection(servers))


def _has_own_dnsmasq(machine: Machine) -> bool:
    """Return whether NetworkManager is told to run dnsmasq, by a file not ours."""
    files = [
        f"{_NETWORK_MANAGER}/NetworkManager.conf",
        *machine.names(f"{_NETWORK_MANAGER}/conf.d"),
    ]
    texts = [machine.text(path) for path in files if not path.endswith("/minidns.conf")]
    lines = (line.replace(" ", "") for text in texts for line in text.splitlines())
    return "dns=dnsmasq" in lines


Make: TypeAlias = Callable[[Wanted, Machine], Plan]


class Recipe(NamedTuple):
    """A way to configure a machine's resolver."""

    title: str
    make: Make


RECIPES = MappingProxyType(
    {
        "macos": Recipe("macOS: /etc/resolver", macos),
        "resolved-link": Recipe("systemd-resolved: a link of its own", resolved_link),
        "resolved": Recipe("systemd-resolved: a drop-in file", resolved),
        "networkmanager": Recipe("NetworkManager's dnsmasq", network_manager),
        "dnsmasq": Recipe("dnsmasq", dnsmasq),
        "resolv.conf": Recipe("/etc/resolv.conf itself", resolv_conf),
    }
)


def detect(machine: Machine) -> tuple[str, str]:
    """Return the recipe that fits this machine, and the evidence for it."""
    if machine.exists(_MAC):
        return "macos", f"{_MAC} is there"
    servers = resolvconf.nameservers(machine.text(RESOLV_CONF))
    if STUB in servers:
        return "resolved-link", f"{RESOLV_CONF} names {STUB}"
    if _has_own_dnsmasq(machine):
        return "networkmanager", "NetworkManager is told dns=dnsmasq"
    if _names_loopback(machine) and machine.exists("/etc/dnsmasq.conf"):
        return "dnsmasq", f"{RESOLV_CONF} names this machine; there is dnsmasq.conf"
    if machine.exists(_NETWORK_MANAGER) and any(map(machine.exists, _DNSMASQ)):
        return "networkmanager", "NetworkManager and dnsmasq are installed"
    shown = ", ".join(servers) or "no server"
    return "resolv.conf", f"{RESOLV_CONF} names {shown}; nothing else is there"
