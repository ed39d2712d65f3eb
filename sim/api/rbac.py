"""Authentication by bearer tokens and authorization by RBAC."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from minidns.http import gate

from .objects import Json
from .requests import Request
from .server import ClusterApi
from .status import ApiError, failure

MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"
ACCOUNT = "system:serviceaccount:"
ALL = "*"
REVIEWS = ("/apis/authorization.k8s.io/", "/apis/authentication.k8s.io/")
"""Paths of reviews, open to every user (ClusterRole system:basic-user)."""
OPEN_PATHS = ("/api", "/apis", "/healthz", "/livez", "/openapi", "/readyz", "/version")
"""Paths that every user may read (ClusterRole system:discovery)."""


@dataclass(frozen=True, slots=True)
class User:
    """The user of a request."""

    name: str
    groups: tuple[str, ...] = (AUTHENTICATED,)


@dataclass(frozen=True, slots=True)
class Attributes:
    """The attributes of a request for authorization."""

    verb: str
    group: str = ""
    resource: str = ""
    """The plural, with a subresource as in pods/status; empty for other paths."""
    namespace: str = ""
    name: str = ""
    path: str = ""


def attributes_of(request: Request) -> Attributes:
    """Return the authorization attributes of a request."""
    if request.kind is None:
        return Attributes(request.verb, path=request.path)
    group, resource = request.kind.group, request.resource
    return Attributes(request.verb, group, resource, request.scope, request.name)


ADMIN = User("kubernetes-admin", (MASTERS, AUTHENTICATED))


def user_named(name: str) -> User:
    """Return the user ``name`` with its groups."""
    if not name.startswith(ACCOUNT):
        return User(name)
    namespace = name.removeprefix(ACCOUNT).partition(":")[0]
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
    return User(name, (*groups, AUTHENTICATED))


def authenticated(
    request: Request, tokens: Mapping[str, str] | None, only: str = ""
) -> User:
    """Return the user of a request by its bearer token.

    The administrator may act for another user, whom a header names. If ``tokens`` (user
    names by token) is None, no token is checked: the user name of a service account as
    token selects that user, anything else the administrator.

    Raises:
        ApiError: the token is not in ``tokens``, or differs from ``only`` (401).

    """
    presented = gate.token_of(request.headers)
    if only and gate.matching(presented, [only]) is None:
        raise failure(401, "Unauthorized")
    if tokens is None:
        return user_named(presented) if presented.startswith(ACCOUNT) else ADMIN
    token = gate.matching(presented, tokens)
    if token is None:
        raise failure(401, "Unauthorized")
    if tokens[token] != ADMIN.name:
        return user_named(tokens[token])
    acted_for = request.headers.get("Impersonate-User")  # kubectl --as
    return user_named(acted_for) if acted_for else ADMIN


def check_administrator(request: Request, tokens: Mapping[str, str] | None) -> None:
    """Refuse a request whose user is not an administrator.

    Raises:
        ApiError: the token is unknown (401) or belongs to another user (403).

    """
    user = authenticated(request, tokens)
    if MASTERS not in user.groups:
        raise failure(403, f'User "{user.name}" is no administrator')


def authorize(cluster: ClusterApi, attributes: Attributes, user: User) -> None:
    """Refuse a request that no role allows.

    Raises:
        ApiError: no rule of the user matches (403).

    """
    if MASTERS in user.groups:
        return
    if attributes.verb == "get" and attributes.path.startswith(OPEN_PATHS):
        return
    if attributes.verb == "post" and attributes.path.startswith(REVIEWS):
        return
    allows = _allows if attributes.resource else _allows_path
    rules = rules_of(cluster, user, attributes.namespace)
    if not any(allows(rule, attributes) for rule in rules):
        raise denial(attributes, user)


def rules_of(cluster: ClusterApi, user: User, namespace: str) -> Iterator[Json]:
    """Yield the rules of ``user`` in ``namespace``, cluster-wide ones if empty."""
    for binding in cluster.list("ClusterRoleBinding"):
        if _binds(binding, user):
            yield from _rules(cluster, binding, "")
    if namespace:
        for binding in cluster.list("RoleBinding", namespace):
            if _binds(binding, user):
                yield from _rules(cluster, binding, namespace)


def _binds(binding: Json, user: User) -> bool:
    """Return whether ``user`` is a subject of a binding."""
    for subject in binding.get("subjects") or ():
        match subject.get("kind"):
            case "ServiceAccount":
                place = subject.get("namespace") or binding["metadata"].get("namespace")
                if user.name == f"{ACCOUNT}{place}:{subject['name']}":
                    return True
            case "User":
                if user.name == subject["name"]:
                    return True
            case "Group":
                if subject["name"] in user.groups:
                    return True
    return False


def _rules(cluster: ClusterApi, binding: Json, namespace: str) -> Iterable[Json]:
    """Return the rules of the role of a binding; none if there is no such role."""
    ref = binding.get("roleRef") or {}
    kind = ref.get("kind", "")
    if kind not in ("Role", "ClusterRole"):
        return ()
    role = cluster.find(kind, namespace if kind == "Role" else "", ref.get("name", ""))
    return (role or {}).get("rules") or ()


def _allows(rule: Json, attributes: Attributes) -> bool:
    """Return whether a rule allows a verb on a resource."""
    names = rule.get("resourceNames") or ()
    resources = [ALL, attributes.resource]
    if "/" in attributes.resource:
        resources.append(f"*/{attributes.resource.partition('/')[2]}")
    return (
        _has(rule, "verbs", ALL, attributes.verb)
        and _has(rule, "apiGroups", ALL, attributes.group)
        and _has(rule, "resources", *resources)
        and (not names or attributes.name in names)
    )


def _has(rule: Json, field: str, *values: str) -> bool:
    """Return whether a list of a rule contains one of ``values``."""
    return not set(values).isdisjoint(rule.get(field) or ())


def _allows_path(rule: Json, attributes: Attributes) -> bool:
    """Return whether a rule allows a verb on a path without a resource."""
    for path in rule.get("nonResourceURLs") or ():
        start, star, _ = path.partition(ALL)
        fits = attributes.path.startswith(start) if star else attributes.path == path
        if fits and _has(rule, "verbs", ALL, attributes.verb):
            return True
    return False


def denial(attributes: Attributes, user: User) -> ApiError:
    """Return the 403 for a request of ``user``."""
    if not attributes.resource:
        what = f'User "{user.name}" cannot {attributes.verb} path "{attributes.path}"'
        return failure(403, f"forbidden: {what}", details={})
    plural = attributes.resource.partition("/")[0]
    subject = f"{plural}.{attributes.group}" if attributes.group else plural
    subject += f' "{attributes.name}"' if attributes.name else ""
    where = f'in the namespace "{attributes.namespace}"'
    if not attributes.namespace:
        where = "at the cluster scope"
    message = (
        f'{subject} is forbidden: User "{user.name}" cannot {attributes.verb} resource '
        f'"{attributes.resource}" in API group "{attributes.group}" {where}'
    )
    details = {"name": attributes.name, "group": attributes.group, "kind": plural}
    return failure(403, message, details={k: v for k, v in details.items() if v})
