"""The kinds of objects these commands know: their paths, and what people call them."""

from typing import NamedTuple

from minidns.kubernetes.documents import Json
from minidns.second_dns.refusal import Refusal


class Kind(NamedTuple):
    """One kind of object."""

    name: str
    plural: str
    api_version: str = "v1"
    short: tuple[str, ...] = ()
    """What kubectl takes for it too."""

    def path(self, namespace: str = "", name: str = "") -> str:
        """Return the URL path of an object, or of a collection."""
        root = "/apis" if "/" in self.api_version else "/api"
        inside = f"/namespaces/{namespace}" if namespace else ""
        of = f"/{name}" if name else ""
        return f"{root}/{self.api_version}{inside}/{self.plural}{of}"


CONFIG_MAP = Kind("ConfigMap", "configmaps")
POD = Kind("Pod", "pods", short=("po",))
SERVICE = Kind("Service", "services")
SLICE = Kind("EndpointSlice", "endpointslices", "discovery.k8s.io/v1")
DEPLOYMENT = Kind("Deployment", "deployments", "apps/v1", ("deploy",))
STATEFUL_SET = Kind("StatefulSet", "statefulsets", "apps/v1", ("sts",))
DAEMON_SET = Kind("DaemonSet", "daemonsets", "apps/v1", ("ds",))
BUDGET = Kind("PodDisruptionBudget", "poddisruptionbudgets", "policy/v1")
POLICY = Kind("NetworkPolicy", "networkpolicies", "networking.k8s.io/v1")
SERVICE_CIDR = Kind("ServiceCIDR", "servicecidrs", "networking.k8s.io/v1")
AUTOSCALER = Kind(
    "HorizontalPodAutoscaler", "horizontalpodautoscalers", "autoscaling/v2"
)

WORKLOADS = (DEPLOYMENT, STATEFUL_SET, DAEMON_SET)
"""What makes pods of a template, and can make them anew."""


class Ref(NamedTuple):
    """One object, by its name."""

    kind: Kind
    namespace: str
    name: str

    @property
    def path(self) -> str:
        """URL path of the object."""
        return self.kind.path(self.namespace, self.name)

    @property
    def word(self) -> str:
        """What kubectl takes for it: ``deployment/web``."""
        return f"{self.kind.name.lower()}/{self.name}"

    def __str__(self) -> str:
        return f"{self.kind.name} {self.namespace}/{self.name}"


def ref_of(obj: Json) -> Ref:
    """Return which object ``obj`` is.

    Raises:
        KeyError: it is of no kind known here.

    """
    meta = obj["metadata"]
    return Ref(_BY_NAME[obj["kind"]], meta.get("namespace", ""), meta["name"])


def read(word: str, namespace: str) -> Ref:
    """Return the object that ``KIND/NAME`` means in ``namespace``.

    Raises:
        Refusal: it is not of that form, or of a kind that has no DNS settings.

    """
    kind, slash, name = word.partition("/")
    found = _BY_WORD.get(kind.lower().partition(".")[0])
    if not slash or not name or found is None:
        raise Refusal(
            f"{word}: deploy/NAME, statefulset/NAME, daemonset/NAME or pod/NAME is "
            "needed; what another kind makes is enrolled by that kind's own settings"
        )
    return Ref(found, namespace, name)


_ALL = (
    *WORKLOADS,
    *(AUTOSCALER, BUDGET, CONFIG_MAP, POD, POLICY, SERVICE, SERVICE_CIDR, SLICE),
)
_BY_NAME = {kind.name: kind for kind in _ALL}
_BY_WORD = {
    word: kind
    for kind in (*WORKLOADS, POD)
    for word in (kind.name.lower(), kind.plural, *kind.short)
}
