"""Reviews of a user's own rights: `kubectl auth can-i`, `can-i --list` and `whoami`."""

from collections.abc import Callable
from typing import Any

from .objects import Json, dig
from .rbac import MASTERS, Attributes, User, authorize, rules_of
from .replies import Reply
from .server import ClusterApi
from .status import ApiError, bad_request

_RULES = ("verbs", "apiGroups", "resources", "resourceNames")
_ALL = ["*"]


def is_path(path: str) -> bool:
    """Return whether reviews are posted to ``path``."""
    return path in _REVIEWS


def answer(cluster: ClusterApi, user: User, path: str, review: Any) -> Reply:  # noqa: ANN401
    """Answer a review of ``user`` that is posted to ``path``.

    Raises:
        ApiError: the review is not complete (400).

    """
    if not isinstance(review, dict):
        raise bad_request("a review is an object")
    status = _REVIEWS[path](cluster, user, review)
    return Reply({**review, "status": status}, 201)


def _access(cluster: ClusterApi, user: User, review: Json) -> Json:
    """Return whether the user may do what a SelfSubjectAccessReview asks about."""
    try:
        authorize(cluster, _attributes(review), user)
    except ApiError as denial:
        if denial.code != 403:
            raise
        return {"allowed": False}
    return {"allowed": True}


def _rules(cluster: ClusterApi, user: User, review: Json) -> Json:
    """Return the rights in the namespace of a SelfSubjectRulesReview."""
    namespace = dig(review, "spec.namespace")
    if not namespace:
        raise bad_request("no namespace on request")
    rules = list(rules_of(cluster, user, str(namespace)))
    if MASTERS in user.groups:
        whole = {"verbs": _ALL, "apiGroups": _ALL, "resources": _ALL}
        rules = [whole, {"verbs": _ALL, "nonResourceURLs": _ALL}]
    return {
        "resourceRules": [
            {name: rule[name] for name in _RULES if name in rule}
            for rule in rules
            if rule.get("resources")
        ],
        "nonResourceRules": [
            {"verbs": rule["verbs"], "nonResourceURLs": rule["nonResourceURLs"]}
            for rule in rules
            if rule.get("nonResourceURLs")
        ],
        "incomplete": False,
    }


def _identity(cluster: ClusterApi, user: User, review: Json) -> Json:
    """Return who the user is, for a SelfSubjectReview."""
    return {"userInfo": {"username": user.name, "groups": list(user.groups)}}


def _attributes(review: Json) -> Attributes:
    """Return the attributes in a review."""
    about = dig(review, "spec.resourceAttributes")
    if isinstance(about, dict):
        names = ("resource", "subresource")
        return Attributes(
            str(about.get("verb", "")),
            str(about.get("group", "")),
            "/".join(str(about[name]) for name in names if about.get(name)),
            str(about.get("namespace", "")),
            str(about.get("name", "")),
        )
    about = dig(review, "spec.nonResourceAttributes")
    if not isinstance(about, dict):
        raise bad_request("a review is about resourceAttributes or a path")
    return Attributes(str(about.get("verb", "")), path=str(about.get("path", "")))


_REVIEWS: dict[str, Callable[[ClusterApi, User, Json], Json]] = {
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews": _access,
    "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews": _rules,
    "/apis/authentication.k8s.io/v1/selfsubjectreviews": _identity,
}
