"""ControllerRevisions: the earlier templates of StatefulSets and DaemonSets.

Each template of a set has one, with the next number whenever it becomes the current
one. ``kubectl rollout history`` and ``undo`` read them (Kubernetes,
pkg/controller/history).
"""

from hashlib import sha256

from ..api.feed import SAFE
from ..api.kinds import named
from ..api.objects import (
    Json,
    annotations_of,
    controller_of,
    encode,
    key_of,
    owner_reference,
)
from ..api.server import ClusterApi

HASH = "controller-revision-hash"
_LABEL = "controller.kubernetes.io/hash"
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def hash_of(template: Json) -> str:
    """Return a hash of a Pod template, ten characters long."""
    text = encode(template, order="deterministic")
    return "".join(SAFE[byte % len(SAFE)] for byte in sha256(text).digest()[:10])


def current(cluster: ClusterApi, owner: Json) -> Json:
    """Return the revision of the present template of a set, which becomes the newest.

    The oldest revisions beyond the limit of the set are deleted.
    """
    template = owner["spec"]["template"]
    found = _of(cluster, owner)
    newest = found[-1]["revision"] if found else 0
    name = f"{key_of(owner)[1]}-{hash_of(template)}"
    same = next((each for each in found if key_of(each)[1] == name), None)
    if same is None:
        same = cluster.create(_new(owner, name, newest + 1))
    elif same["revision"] != newest:
        changed = {**same, "revision": newest + 1}
        same = cluster.commit(named("ControllerRevision"), changed)
    used = {name, (owner.get("status") or {}).get("currentRevision")}
    unused = [each for each in found if key_of(each)[1] not in used]
    for each in unused[: max(len(unused) - owner["spec"]["revisionHistoryLimit"], 0)]:
        cluster.delete("ControllerRevision", *key_of(each))
    return same


def template_of(cluster: ClusterApi, owner: Json, name: str) -> Json:
    """Return the template of the revision ``name``, or the present one."""
    found = cluster.find("ControllerRevision", key_of(owner)[0], name)
    if found is None:
        return dict(owner["spec"]["template"])
    template: Json = dict(found["data"]["spec"]["template"])
    template.pop("$patch")
    return template


def _of(cluster: ClusterApi, owner: Json) -> list[Json]:
    """Return the revisions of a set, the oldest first."""
    uid = owner["metadata"]["uid"]
    found = [
        each
        for each in cluster.list("ControllerRevision", key_of(owner)[0])
        if (controller_of(each) or {}).get("uid") == uid
    ]
    return sorted(found, key=lambda each: int(each["revision"]))


def _new(owner: Json, name: str, revision: int) -> Json:
    """Return a new revision of a set; its data is a patch that restores the set."""
    template = owner["spec"]["template"]
    labels = (template.get("metadata") or {}).get("labels") or {}
    own = annotations_of(owner).items()
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": name,
            "namespace": key_of(owner)[0],
            "labels": {**labels, _LABEL: name.rpartition("-")[2]},
            "annotations": {k: v for k, v in own if k != _APPLIED},
            "ownerReferences": [owner_reference(owner)],
        },
        "data": {"spec": {"template": {**template, "$patch": "replace"}}},
        "revision": revision,
    }
