"""Carries out the requests for resources."""

from collections.abc import Callable

from . import listing, scaling, table
from .objects import Json
from .patch import APPLY_PATCH
from .replies import ApiCall, Reply, deletion_of, document_of, object_of, write_of
from .selectors import Selection, selection
from .server import ClusterApi
from .status import (
    bad_request,
    failure,
    invalid,
    no_such_path,
    not_found,
    required,
    success,
)


def answer(cluster: ClusterApi, call: ApiCall) -> Reply:
    """Carry out a request for a resource except WATCH; return the reply.

    Raises:
        ApiError: the request failed.

    """
    verb = _VERBS.get(call.request.verb)
    if verb is None or call.request.subresource not in _subresources(call):
        if call.request.subresource or verb is not None:
            raise no_such_path()
        raise failure(405, "the server does not allow this method on the resource")
    if call.request.subresource == scaling.SCALE:
        return scaling.answer(cluster, call)
    return verb(cluster, call)


def _subresources(call: ApiCall) -> tuple[str, ...]:
    """Return the subresources of the verb; the empty text is the object itself."""
    if call.request.verb not in ("get", "patch", "update"):
        return ("",)
    names = ("status", call.kind.has_status), (scaling.SCALE, call.kind.has_scale)
    return ("", *(name for name, has in names if has))


def wanted(call: ApiCall) -> Selection:
    """Return the objects that a request selects.

    Raises:
        ApiError: a selector is invalid (400).

    """
    query, fields = call.request.query, call.request.query.get("fieldSelector", "")
    if call.request.name:  # a WATCH of one object, by its path
        fields = f"metadata.name={call.request.name}"
    labels = query.get("labelSelector", "")
    return selection(call.kind, call.request.namespace, labels, fields)


def _list(cluster: ClusterApi, call: ApiCall) -> Reply:
    """Answer LIST."""
    request, kind = call.request, call.kind
    options = listing.options_of(request.query)
    if call.expires_tokens and options.token and options.token.rv != listing.LATEST:
        raise listing.stale_token(options.token)
    page = listing.list_page(cluster.store, kind, wanted(call), options, call.head)
    whole = page.to_json(kind)
    return Reply(_negotiated(cluster, call, whole, page.objects, whole["metadata"]))


def _get(cluster: ClusterApi, call: ApiCall) -> Reply:
    """Answer GET."""
    obj = _existing(cluster, call)
    meta = {"resourceVersion": obj["metadata"]["resourceVersion"]}
    return Reply(_negotiated(cluster, call, obj, [obj], meta))


def _existing(cluster: ClusterApi, call: ApiCall) -> Json:
    """Return the object of the request's path."""
    request = call.request
    view = cluster.store[call.kind].at(call.head)
    obj = view.objects.get((request.namespace, request.name))
    if obj is None:
        raise not_found(call.kind, request.name)
    return obj


def _negotiated(
    cluster: ClusterApi, call: ApiCall, whole: Json, objects: list[Json], meta: Json
) -> Json:
    """Return objects in the form that the client prefers."""
    accept, include = call.request.accept, call.request.query.get("includeObject", "")
    if table.wants_table(accept):
        return table.table(call.kind, objects, meta, cluster.now(), include)
    if table.wants_partial(accept):
        is_list = call.request.verb == "list"
        return table.partial_list(objects, meta) if is_list else table.partial(whole)
    return whole


def _create(cluster: ClusterApi, call: ApiCall) -> Reply:
    """Answer POST."""
    if call.request.name:
        raise failure(405, "the server does not allow this method on the resource")
    return Reply(cluster.create(object_of(call), write_of(call)), 201)


def _update(cluster: ClusterApi, call: ApiCall) -> Reply:
    """Answer PUT."""
    obj = object_of(call)
    meta = obj["metadata"]
    if meta.setdefault("name", call.request.name) != call.request.name:
        raise bad_request(
            f"the name of the object ({meta['name']}) does not match "
            f"the name on the URL ({call.request.name})"
        )
    return Reply(cluster.update(obj, write_of(call)))


def _patch(cluster: ClusterApi, call: ApiCall) -> Reply:
    """Answer PATCH, including server-side apply."""
    request, kind = call.request, call.kind
    style = request.content_type.partition(";")[0].strip()
    key = request.namespace, request.name
    if style != APPLY_PATCH:
        patch = document_of(call)
        return Reply(cluster.patch(kind.name, *key, patch, style, write_of(call)))
    if not request.query.get("fieldManager"):
        cause = required("fieldManager", "is required for apply patch")
        raise invalid("PatchOptions.meta.k8s.io", "", [cause])
    obj = object_of(call)
    obj["metadata"].setdefault("name", request.name)
    force = request.query.get("force") == "true"
    is_new = cluster.find(kind.name, *key) is None
    applied = cluster.apply(obj, write_of(call), force=force)
    return Reply(applied, 201 if is_new else 200)


def _delete(cluster: ClusterApi, call: ApiCall) -> Reply:
    """Answer DELETE of one object."""
    request, kind = call.request, call.kind
    key = request.namespace, request.name
    deletion = deletion_of(call)
    obj = cluster.delete(kind.name, *key, deletion)
    is_gone = cluster.find(kind.name, *key) is None or deletion.dry_run
    return Reply(success(kind, obj) if is_gone and not kind.shows_deleted else obj)


def _delete_all(cluster: ClusterApi, call: ApiCall) -> Reply:
    """Answer DELETE of a collection."""
    query, namespace = call.request.query, call.request.namespace
    labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
    deletion = deletion_of(call)
    gone = cluster.delete_all(call.kind.name, namespace, labels, fields, deletion)
    return Reply(listing.Page(gone, cluster.version).to_json(call.kind))


_VERBS: dict[str, Callable[[ClusterApi, ApiCall], Reply]] = {
    "list": _list,
    "get": _get,
    "create": _create,
    "update": _update,
    "patch": _patch,
    "delete": _delete,
    "deletecollection": _delete_all,
}
