"""Access reviews: "may I?", asked of the API itself, as `kubectl auth can-i` does."""

from typing import Any

from .objects import Json, dig
from .rbac import Attributes, User, authorize
from .replies import Reply
from .server import ClusterApi
from .status import ApiError, bad_request

PATH = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def answer(cluster: ClusterApi, user: User, review: Any) -> Reply:  # noqa: ANN401
    """Answer a SelfSubjectAccessReview; without RBAC everybody may do anything.

    Raises:
        ApiError: it asks nothing (400).

    """
    status: Json = {"allowed": True}
    try:
        authorize(cluster, _asked(review), user)
    except ApiError as denial:
        if denial.code != 403:
            raise
        status = {"allowed": False, "reason": str(denial)}
    return Reply({**review, "status": status}, 201)


def _asked(review: Any) -> Attributes:  # noqa: ANN401  # any JSON value
    """Return what a review asks about."""
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
