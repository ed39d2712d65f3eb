"""SelfSubjectAccessReviews, as `kubectl auth can-i` sends them."""

from typing import Any

from .objects import Json, dig
from .rbac import Attributes, User, authorize
from .replies import Reply
from .server import ClusterApi
from .status import ApiError, bad_request

PATH = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def answer(cluster: ClusterApi, user: User, review: Any) -> Reply:  # noqa: ANN401
    """Answer a SelfSubjectAccessReview of ``user``.

    Raises:
        ApiError: the review names neither a resource nor a path (400).

    """
    status: Json = {"allowed": True}
    try:
        authorize(cluster, _attributes(review), user)
    except ApiError as denial:
        if denial.code != 403:
            raise
        status = {"allowed": False}
    return Reply({**review, "status": status}, 201)


def _attributes(review: Any) -> Attributes:  # noqa: ANN401  # any JSON value
    """Return the attributes in a review."""
    about = dig(review, "spec.resourceAttributes") if isinstance(review, dict) else None
    if isinstance(about, dict):
        names = ("resource", "subresource")
        return Attributes(
            str(about.get("verb", "")),
            str(about.get("group", "")),
            "/".join(str(about[name]) for name in names if about.get(name)),
            str(about.get("namespace", "")),
            str(about.get("name", "")),
        )
    about = dig(review, "spec.nonResourceAttributes") if review else None
    if not isinstance(about, dict):
        raise bad_request("a review is about resourceAttributes or a path")
    return Attributes(str(about.get("verb", "")), path=str(about.get("path", "")))
