"""The scale subresource."""

from .objects import Json, dig
from .patch import JSON_PATCH, MERGE_PATCH, patched
from .replies import ApiCall, Reply, document_of, write_of
from .server import ClusterApi
from .status import invalid, not_found, required, wrong
from .writing import check_versions

SCALE = "scale"


def answer(cluster: ClusterApi, call: ApiCall) -> Reply:
    """Answer GET, PUT or PATCH of the scale of an object.

    Raises:
        ApiError: there is no such object (404), it is at another version (409), or the
            number of replicas is invalid (422).

    """
    kind, request = call.kind, call.request
    live = cluster.find(kind.name, request.namespace, request.name)
    if live is None:
        raise not_found(kind, request.name)
    if request.verb == "get":
        return Reply(scale_of(live))
    document = document_of(call)
    if request.verb == "patch":
        media = request.content_type.partition(";")[0]
        style = JSON_PATCH if media == JSON_PATCH else MERGE_PATCH
        document = patched(kind, scale_of(live), document, style)
    check_versions(kind, live, document)
    replicas = dig(document, "spec.replicas")
    if not isinstance(replicas, int) or replicas < 0:
        why = "must be greater than or equal to 0"
        cause = wrong("spec.replicas", replicas, why)
        causes = [cause if replicas is not None else required("spec.replicas")]
        raise invalid("Scale.autoscaling", request.name, causes)
    patch = {"spec": {"replicas": replicas}}
    key = request.namespace, request.name
    write = write_of(call)
    return Reply(scale_of(cluster.patch(kind.name, *key, patch, write=write)))


def scale_of(obj: Json) -> Json:
    """Return the Scale of an object with replicas."""
    names = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    labels = dig(obj, "spec.selector.matchLabels") or {}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: obj["metadata"][name] for name in names},
        "spec": {"replicas": dig(obj, "spec.replicas") or 0},
        "status": {
            "replicas": dig(obj, "status.replicas") or 0,
            "selector": ",".join(f"{k}={v}" for k, v in labels.items()),
        },
    }
