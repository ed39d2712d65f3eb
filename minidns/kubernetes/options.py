"""The options of *kubernetes* as one value; `minidns.plugins.kubernetes` reads them."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from minidns.dns.model import Name
from minidns.kubernetes.addresses import is_reverse
from minidns.kubernetes.resources import Access

MAX_TTL = 3600
IDLE_S = 120.0
"""A watch of things that do not change may say nothing for about as long."""
Stale: TypeAlias = Literal["serve", "servfail", "unready"]


@dataclass(frozen=True, slots=True)
class KubernetesOptions:
    """The plugin's options; defaults are CoreDNS's."""

    zones: tuple[Name, ...] = ()
    ttl: int = 5
    pods: str = "disabled"
    """disabled, insecure or verified."""
    namespaces: frozenset[str] = frozenset()
    """The only ones to answer for, as written; empty for all."""
    namespace_labels: str = ""
    labels: str = ""
    endpoint_pod_names: bool = False
    endpoints: bool = True
    ignore_empty: bool = False
    """Whether Services without a ready endpoint are left out."""
    fallthrough: tuple[Name, ...] = ()
    multicluster: tuple[Name, ...] = ()
    zonal: bool = False
    startup_timeout_s: float = 5.0
    access: Access = field(default_factory=Access)
    strict: bool = False
    """Ours: answer by the specification where CoreDNS departs from it."""
    ede: bool = False
    """Ours: say why in an Extended DNS Error (RFC 8914)."""
    namespaced: bool = False
    """Ours: list and watch ``namespaces`` one by one, with rights in those alone."""
    stale_after_s: float | None = None
    """Ours: how long the API may be silent before ``stale`` applies."""
    stale: Stale = "serve"
    audit_s: float | None = 1800.0
    """Ours: how often what is known is compared with a fresh list; None for never."""
    hold_s: float = 1.0
    """Ours: how long an endpoint on its way between slices stands in."""

    @property
    def primary(self) -> Name:
        """The zone of the names that PTR records give: the first forward one.

        The bare reverse zones count as forward in CoreDNS (a fault; not ``strict``).
        """
        bare = ("in-addr.arpa.", "ip6.arpa.") if self.strict else ()
        forward = [z for z in self.zones if not is_reverse(z) and z not in bare]
        return forward[0] if forward else self.zones[0]
