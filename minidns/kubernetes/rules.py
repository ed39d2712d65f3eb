"""The rules of *kubernetes* and *k8s_external*: each answer is made by one of them.

A rule is a value. It carries the stable id that ``minidns why`` shows, the rcode of the
answer, the cause in words and where the rule comes from. The chain decides which rule
applies; whatever reads an answer afterwards (the response, reuse, ``why``) looks at the
member and decides nothing again. A Service of a cluster set (*multicluster*) has the
rules of any Service; the sources of its answers are ServiceImports.

References: "DNS spec" is *Kubernetes DNS-Based Service Discovery* 1.1.0, a name in
asterisks is a plugin of CoreDNS, and "minidns" marks what only minidns has.
"""

from enum import StrEnum
from typing import Self, TypeAlias

from minidns.dns.model import Rcode

_Value: TypeAlias = tuple[str, int, str, str]


def _found(rule: str, cause: str, reference: str = "*kubernetes*") -> _Value:
    """Return the value of a rule by which the name exists."""
    return rule, Rcode.NOERROR, cause, reference


def _denied(rule: str, cause: str, reference: str = "*kubernetes*") -> _Value:
    """Return the value of a rule by which the name does not exist."""
    return rule, Rcode.NXDOMAIN, cause, reference


class Rule(StrEnum):
    """A rule by its id, such as ``service/cluster-ip``; ids keep their meaning."""

    rcode: int
    """NOERROR if the name exists by this rule, otherwise NXDOMAIN."""
    exists: bool
    cause: str
    """A sentence that says why the answer is what it is."""
    reference: str
    """The specification, or the plugin of CoreDNS, that the rule follows."""

    def __new__(cls, value: str, rcode: int, cause: str, reference: str) -> Self:
        """Make a member whose value is its id."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.rcode, member.exists = rcode, rcode == Rcode.NOERROR
        member.cause, member.reference = cause, reference
        return member

    # -- apex and inner nodes

    APEX = _found("zone/apex", "the name is the top of the zone", "RFC 1034 4.2")
    SOA = _found("zone/soa", "the zone has one SOA record", "RFC 1035 3.3.13")
    NS = _found("zone/ns", "the zone's name servers are this DNS")
    DNS_VERSION = _found(
        "zone/dns-version",
        "dns-version tells the version of the DNS specification",
        "DNS spec 2.2",
    )
    NAME_SERVER = _found(
        "zone/name-server", "ns.dns is the name of the zone's name server"
    )
    INNER_NODE = _found("zone/node", "other names are below this name", "RFC 8020")
    NAMESPACE = _found("zone/namespace", "the name is a namespace", "RFC 8020")
    PROTOCOL = _found("zone/protocol", "ports are below this name", "RFC 8020")

    # -- Services, endpoints, Pods

    CLUSTER_IP = _found(
        "service/cluster-ip", "a Service has its cluster IPs", "DNS spec 2.3.1"
    )
    SERVICE_PORT = _found(
        "service/port", "a named port leads to the cluster IPs", "DNS spec 2.3.2"
    )
    SERVICE_ENDPOINT_ADDRESS = _found(
        "service/endpoint-address", "an endpoint is named by its address"
    )
    SERVICE_ENDPOINT_HOSTNAME = _found(
        "service/endpoint-hostname", "an endpoint is named by its hostname"
    )
    SERVICE_ENDPOINT_POD_NAME = _found(
        "service/endpoint-pod-name",
        "an endpoint is named by its Pod (endpoint_pod_names)",
    )
    HEADLESS_NAME = _found(
        "headless/name", "a headless Service has its ready endpoints", "DNS spec 2.4.1"
    )
    HEADLESS_PORT = _found(
        "headless/port", "a named port leads to the ready endpoints", "DNS spec 2.4.2"
    )
    HEADLESS_ENDPOINT_ADDRESS = _found(
        "headless/endpoint-address",
        "a headless endpoint is named by its address",
        "DNS spec 2.4.1",
    )
    HEADLESS_ENDPOINT_HOSTNAME = _found(
        "headless/endpoint-hostname",
        "a headless endpoint is named by its hostname",
        "DNS spec 2.4.1",
    )
    HEADLESS_ENDPOINT_POD_NAME = _found(
        "headless/endpoint-pod-name",
        "a headless endpoint is named by its Pod (endpoint_pod_names)",
    )
    HELD = _found(
        "headless/held",
        "the endpoint left its slice and still answers (hold)",
        "minidns",
    )
    EXTERNAL_NAME = _found(
        "external-name",
        "an ExternalName Service is an alias of another name",
        "DNS spec 2.5",
    )
    EXTERNAL_NAME_OUTSIDE = _found(
        "external-name/outside", "the alias leads to a name of another zone"
    )
    POD_INSECURE = _found("pod/insecure", "any address has a Pod name (pods insecure)")
    POD_VERIFIED = _found(
        "pod/verified", "a Pod of the namespace has the address (pods verified)"
    )
    PTR_CLUSTER_IP = _found(
        "ptr/cluster-ip",
        "a Service has the address as its cluster IP",
        "DNS spec 2.3.3",
    )
    PTR_ENDPOINT = _found(
        "ptr/endpoint", "a ready endpoint has the address", "DNS spec 2.4.3"
    )
    PTR_HELD = _found(
        "ptr/held", "the endpoint left its slice and still answers (hold)", "minidns"
    )

    # -- zones of a topology (option zonal)

    ZONAL_PIN = _found("zonal/pin", "endpoints of the zone answer")
    ZONAL_PREFER = _found("zonal/prefer", "endpoints of the zone answer")
    ZONAL_PREFER_ELSEWHERE = _found(
        "zonal/prefer-elsewhere",
        "no endpoint is in the zone, and those of other zones answer",
    )
    ZONAL_PIN_NOTHING = _found("zonal/pin-nothing-there", "no endpoint is in the zone")

    # -- names that exist and have no record of the type

    NO_SUCH_TYPE = _found(
        "nodata/type", "the name has no record of this type", "RFC 2308 2.2"
    )
    NO_SUCH_FAMILY = _found(
        "nodata/family", "the name has no address of this family", "RFC 4074 3"
    )
    NO_PORT_NUMBER = _found(
        "nodata/no-port", "the Service has no port with a number", "DNS spec 2.3.2"
    )
    SOA_BELOW_APEX = _found(
        "nodata/soa-below-apex", "SOA is not looked up below the top of the zone"
    )
    ALIAS_LEADS_NOWHERE = _found(
        "nodata/leads-nowhere", "the alias leads to a name without records"
    )

    # -- names that do not exist

    TXT_AT_INNER_NODE = _denied(
        "negative/txt-at-inner-node",
        "CoreDNS denies TXT at names that only have names below them",
    )
    NOT_IN_CLUSTER = _denied(
        "negative/not-in-cluster",
        "the name is neither below svc nor below pod",
        "DNS spec 2.3",
    )
    TOO_LONG = _denied(
        "negative/too-long",
        "there are more labels than endpoint, or port and protocol, need",
        "DNS spec 2.3.2",
    )
    REVERSE_NAME = _denied(
        "negative/reverse-name", "names of Services and Pods are not in reverse zones"
    )
    NAME_SERVER_OTHER_TYPE = _denied(
        "negative/name-server",
        "CoreDNS denies TXT and PTR at the name of the name server",
    )
    NAMESPACE_NOT_LISTED = _denied(
        "negative/namespace-not-listed",
        "the option namespaces does not list the namespace",
    )
    NO_SUCH_NAMESPACE = _denied(
        "negative/no-such-namespace", "there is no such Namespace", "DNS spec 2.3"
    )
    NO_SUCH_SERVICE = _denied(
        "negative/no-such-service",
        "there is no such Service in the namespace",
        "DNS spec 2.3",
    )
    EMPTY_SERVICE = _denied(
        "negative/empty-service",
        "the Service has no ready endpoint (ignore empty_service)",
    )
    NO_SUCH_PORT = _denied(
        "negative/no-such-port", "the Service has no such port", "DNS spec 2.3.2"
    )
    NO_CLUSTER_IP = _denied("negative/no-cluster-ip", "the Service has no cluster IP")
    NO_ENDPOINTS_WATCHED = _denied(
        "negative/noendpoints", "the option noendpoints leaves all endpoints out"
    )
    NO_READY_ENDPOINT = _denied(
        "negative/no-ready-endpoint",
        "the headless Service has no ready endpoint",
        "DNS spec 2.4.1",
    )
    NO_SUCH_ENDPOINT = _denied(
        "negative/no-such-endpoint",
        "the Service has no ready endpoint of this name",
        "DNS spec 2.4.1",
    )
    BELOW_EXTERNAL_NAME = _denied(
        "negative/below-external-name",
        "there are no names below an ExternalName Service",
        "DNS spec 2.5",
    )
    EXTERNAL_NAME_IS_ADDRESS = _denied(
        "negative/external-name-is-address",
        "externalName is empty or an address, not a host name",
        "DNS spec 2.5",
    )
    ALIAS_LOOP = _denied(
        "negative/loop",
        "the alias leads back to a name that was followed",
        "RFC 1034 3.6.2",
    )
    TOO_MANY_ALIASES = _denied(
        "negative/too-many-names",
        "more aliases would have to be followed than the limit",
    )
    ZONAL_DIRECTIVE = _denied(
        "negative/no-such-zonal-directive",
        "the label before _zone is neither pin nor prefer",
    )
    ZONAL_NEEDS_HEADLESS = _denied(
        "negative/zonal-needs-headless", "only headless Services have names by zone"
    )
    PODS_DISABLED = _denied(
        "negative/pods-disabled", "Pods have no names (pods disabled)"
    )
    NOT_A_POD_ADDRESS = _denied(
        "negative/not-a-pod-address", "the label is no address with dashes"
    )
    NO_SUCH_POD = _denied(
        "negative/no-such-pod", "no Pod of the namespace has the address"
    )
    NO_FORWARD_ZONE = _denied(
        "negative/no-forward-zone",
        "the plugin serves the root: PTR records would have no zone to end in",
        "minidns",
    )
    NO_ADDRESS = _denied(
        "negative/no-address",
        "no Service has the address, and no ready endpoint of one",
        "DNS spec 2.3.3",
    )
    ADDRESS_HIDDEN = _denied(
        "negative/address-hidden",
        "the address belongs to a namespace that the options leave out",
    )
    UNSENDABLE_NAME = _denied(
        "negative/unsendable-name",
        "the endpoint's name is too long for a DNS message",
        "RFC 1035 2.3.4",
    )
    STALE = _denied(
        "negative/stale",
        "the API server has been silent too long (stale_after servfail)",
        "minidns",
    )

    # -- *k8s_external*

    EXTERNAL_APEX = _found("external/apex", "the name is the top", "RFC 1034 4.2")
    EXTERNAL_SOA = _found("external/soa", "the zone has one SOA", "RFC 1035 3.3.13")
    EXTERNAL_NS = _found("external/ns", "this DNS serves the zone", "*k8s_external*")
    EXTERNAL_INNER_NODE = _found("external/node", "other names are below", "RFC 8020")
    EXTERNAL_NAME_SERVER = _found(
        "external/name-server",
        "the name is that of the zone's name server",
        "*k8s_external*",
    )
    EXTERNAL_NAMESPACE = _found(
        "external/namespace", "the name is a namespace", "*k8s_external*"
    )
    EXTERNAL_ADDRESS = _found(
        "external/address",
        "a Service has the records of its external addresses",
        "*k8s_external*",
    )
    EXTERNAL_ENDPOINT = _found(
        "external/endpoint",
        "a headless Service has the addresses of its endpoints (headless)",
        "*k8s_external*",
    )
    EXTERNAL_PTR = _found(
        "external/ptr",
        "Services have the address as an external address",
        "*k8s_external*",
    )
    NOT_A_NAME_SERVER = _denied(
        "negative/not-a-name-server",
        "below the apex label there is the name server alone",
        "*k8s_external*",
    )
    NOTHING_OUTSIDE = _denied(
        "negative/nothing-outside",
        "the Service has no external address",
        "*k8s_external*",
    )


INNER_NODES = frozenset(
    (Rule.APEX, Rule.INNER_NODE, Rule.NAMESPACE, Rule.PROTOCOL, Rule.NAME_SERVER)
)
"""Rules of names that exist without records, where CoreDNS denies TXT."""
COVERS_MANY_NAMES = frozenset(
    (Rule.NO_SUCH_SERVICE, Rule.NO_SUCH_NAMESPACE, Rule.TOO_LONG, Rule.NOT_IN_CLUSTER)
)
"""Rules by which many names do not exist at once."""
HELD_RULES = frozenset((Rule.HELD, Rule.PTR_HELD))
"""Rules of endpoints that answer because of the option *hold*."""
