"""Requests for resources, answered: the one place where HTTP meets the cluster."""

from collections.abc import Callable

from . import listing, scaling, table
from .objects import Json
from .patch import APPLY_PATCH
from .replies import Asked, Reply, deletion_of, document_of, object_of, write_of
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


def answer(cluster: ClusterApi, asked: Asked) -> Reply:
    """Do what a request for a resource asks, all but WATCH.

    Raises:
        ApiError: it cannot be done.

    """
    verb = _VERBS.get(asked.request.verb)
    if verb is None or asked.request.subresource not in _subresources(asked):
        if asked.request.subresource or verb is not None:
            raise no_such_path()
        raise failure(405, "the server does not allow this method on the resource")
    if asked.request.subresource == scaling.SCALE:
        return scaling.answer(cluster, asked)
    return verb(cluster, asked)


def _subresources(asked: Asked) -> tuple[str, ...]:
    """Return the subresources that a request may be about, the object itself too."""
    if asked.request.verb not in ("get", "patch", "update"):
        return ("",)
    found = ("status", asked.kind.has_status), (scaling.SCALE, asked.kind.has_scale)
    return ("", *(name for name, has in found if has))


def wanted(asked: Asked) -> Selection:
    """Return which objects a request is about.

    Raises:
        ApiError: a selector cannot be read (400).

    """
    query, fields = asked.request.query, asked.request.query.get("fieldSelector", "")
    if asked.request.name:  # a WATCH of one object, by its path
        fields = f"metadata.name={asked.request.name}"
    labels = query.get("labelSelector", "")
    return selection(asked.kind, asked.request.namespace, labels, fields)


def _list(cluster: ClusterApi, asked: Asked) -> Reply:
    """Answer LIST."""
    request, kind = asked.request, asked.kind
    options = listing.options_of(request.query)
    if asked.expires_tokens and options.token and options.token.rv != listing.LATEST:
        raise listing.stale_token(options.token)
    page = listing.list_page(cluster.store, kind, wanted(asked), options, asked.head)
    whole = page.to_json(kind)
    return Reply(_as_asked(cluster, asked, whole, page.objects, whole["metadata"]))


def _get(cluster: ClusterApi, asked: Asked) -> Reply:
    """Answer GET of one object."""
    obj = _found(cluster, asked)
    meta = {"resourceVersion": obj["metadata"]["resourceVersion"]}
    return Reply(_as_asked(cluster, asked, obj, [obj], meta))


def _found(cluster: ClusterApi, asked: Asked) -> Json:
    """Return the object that a request names."""
    request = asked.request
    view = cluster.store[asked.kind].at(asked.head)
    obj = view.objects.get((request.namespace, request.name))
    if obj is None:
        raise not_found(asked.kind, request.name)
    return obj


def _as_asked(
    cluster: ClusterApi, asked: Asked, whole: Json, objects: list[Json], meta: Json
) -> Json:
    """Return objects in the form the client prefers."""
    accept, include = asked.request.accept, asked.request.query.get("includeObject", "")
    if table.wants_table(accept):
        return table.table(asked.kind, objects, meta, cluster.now(), include)
    if table.wants_partial(accept):
        is_list = asked.request.verb == "list"
        return table.partial_list(objects, meta) if is_list else table.partial(whole)
    return whole


def _create(cluster: ClusterApi, asked: Asked) -> Reply:
    """Answer POST."""
    if asked.request.name:
        raise failure(405, "the server does not allow this method on the resource")
    return Reply(cluster.create(object_of(asked), write_of(asked)), 201)


def _update(cluster: ClusterApi, asked: Asked) -> Reply:
    """Answer PUT."""
    obj = object_of(asked)
    meta = obj["metadata"]
    if meta.setdefault("name", asked.request.name) != asked.request.name:
        raise bad_request(
            f"the name of the object ({meta['name']}) does not match "
            f"the name on the URL ({asked.request.name})"
        )
    return Reply(cluster.update(obj, write_of(asked)))


def _patch(cluster: ClusterApi, asked: Asked) -> Reply:
    """Answer PATCH, server-side apply among it."""
    request, kind = asked.request, asked.kind
    style = request.content_type.partition(";")[0].strip()
    key = request.namespace, request.name
    if style != APPLY_PATCH:
        patch = document_of(asked)
        return Reply(cluster.patch(kind.name, *key, patch, style, write_of(asked)))
    if not request.query.get("fieldManager"):
        cause = required("fieldManager", "is required for apply patch")
        raise invalid("PatchOptions.meta.k8s.io", "", [cause])
    obj = object_of(asked)
    obj["metadata"].setdefault("name", request.name)
    force = request.query.get("force") == "true"
    is_new = cluster.find(kind.name, *key) is None
    applied = cluster.apply(obj, write_of(asked), force=force)
    return Reply(applied, 201 if is_new else 200)


def _delete(cluster: ClusterApi, asked: Asked) -> Reply:
    """Answer DELETE of one object."""
    request, kind = asked.request, asked.kind
    key = request.namespace, request.name
    deletion = deletion_of(asked)
    obj = cluster.delete(kind.name, *key, deletion)
    is_gone = cluster.find(kind.name, *key) is None or deletion.dry_run
    return Reply(success(kind, obj) if is_gone and not kind.shows_deleted else obj)


def _delete_all(cluster: ClusterApi, asked: Asked) -> Reply:
    """Answer DELETE of a collection."""
    query, namespace = asked.request.query, asked.request.namespace
    labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
    deletion = deletion_of(asked)
    gone = cluster.delete_all(asked.kind.name, namespace, labels, fields, deletion)
    return Reply(listing.Page(gone, cluster.version).to_json(asked.kind))


_VERBS: dict[str, Callable[[ClusterApi, Asked], Reply]] = {
    "list": _list,
    "get": _get,
    "create": _create,
    "update": _update,
    "patch": _patch,
    "delete": _delete,
    "deletecollection": _delete_all,
}
