"""Who asks, and may they: bearer tokens, Roles, ClusterRoles and their bindings."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.objects import Json
from sim.requests import Request
from sim.status import ApiError, failure, forbidden

if TYPE_CHECKING:
    from sim.apiserver import Cluster

MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"
ACCOUNT = "system:serviceaccount:"
ALL = "*"
OPEN_PATHS = ("/api", "/apis", "/healthz", "/livez", "/openapi", "/readyz", "/version")
"""What everybody who has a name may read (ClusterRole system:discovery)."""


@dataclass(frozen=True, slots=True)
class User:
    """Who a request is from."""

    name: str
    groups: tuple[str, ...] = (AUTHENTICATED,)


ADMIN = User("kubernetes-admin", (MASTERS, AUTHENTICATED))


def user_named(name: str) -> User:
    """Return the user called ``name``, with the groups of a service account."""
    if not name.startswith(ACCOUNT):
        return User(name)
    namespace = name.removeprefix(ACCOUNT).partition(":")[0]
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
    return User(name, (*groups, AUTHENTICATED))


def authenticated(
    request: Request, tokens: Mapping[str, str] | None, only: str = ""
) -> User:
    """Return whose bearer token a request carries.

    Without ``tokens`` (token to user name) any token is good, and none too: the user
    name of a service account as token makes one that user, all else an administrator.

    Raises:
        ApiError: the token is not in ``tokens``, or not the ``only`` one (401).

    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip() if scheme.lower() == "bearer" else ""
    if (only and token != only) or (tokens is not None and token not in tokens):
        raise failure(401, "Unauthorized")
    if tokens is None:
        return user_named(token) if token.startswith(ACCOUNT) else ADMIN
    return ADMIN if tokens[token] == ADMIN.name else user_named(tokens[token])


def authorize(cluster: "Cluster", request: Request, user: User) -> None:
    """Let a request pass that some role allows.

    Raises:
        ApiError: none does (403).

    """
    if MASTERS in user.groups:
        return
    if request.kind is None:
        is_open = request.path.startswith(OPEN_PATHS) and request.method == "GET"
        if not is_open and not _allows_path(cluster, request, user):
            raise _forbidden_path(request, user)
    elif not any(
        _allows(rule, request) for rule in rules_of(cluster, user, request.namespace)
    ):
        raise denial(request, user)


def rules_of(cluster: "Cluster", user: User, namespace: str) -> Iterator[Json]:
    """Yield the rules for ``user`` in ``namespace``; empty: for the whole cluster."""
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


def _rules(cluster: "Cluster", binding: Json, namespace: str) -> Iterable[Json]:
    """Return the rules of the role that a binding names; none if it does not exist."""
    ref = binding.get("roleRef") or {}
    kind = ref.get("kind", "")
    if kind not in ("Role", "ClusterRole"):
        return ()
    role = cluster.find(kind, namespace if kind == "Role" else "", ref.get("name", ""))
    return (role or {}).get("rules") or ()


def _allows(rule: Json, request: Request) -> bool:
    """Return whether one rule allows a request for a resource."""
    assert request.kind is not None
    names = rule.get("resourceNames") or ()
    wanted = [ALL, request.resource]
    if request.subresource:
        wanted.append(f"*/{request.subresource}")
    return (
        _has(rule, "verbs", ALL, request.verb)
        and _has(rule, "apiGroups", ALL, request.kind.group)
        and _has(rule, "resources", *wanted)
        and (not names or request.name in names)
    )


def _has(rule: Json, field: str, *values: str) -> bool:
    """Return whether a list of a rule has any of ``values``."""
    return not set(values).isdisjoint(rule.get(field) or ())


def _allows_path(cluster: "Cluster", request: Request, user: User) -> bool:
    """Return whether a rule allows a request for a path that is no resource's."""
    for rule in rules_of(cluster, user, ""):
        for path in rule.get("nonResourceURLs") or ():
            start, star, _ = path.partition(ALL)
            fits = request.path.startswith(start) if star else request.path == path
            if fits and _has(rule, "verbs", ALL, request.verb):
                return True
    return False


def denial(request: Request, user: User) -> ApiError:
    """Return the 403 that ``user`` gets for a resource."""
    assert request.kind is not None
    where = f'in the namespace "{request.namespace}"'
    if not request.namespace:
        where = "at the cluster scope"
    why = (
        f'User "{user.name}" cannot {request.verb} resource "{request.resource}" '
        f'in API group "{request.kind.group}" {where}'
    )
    return forbidden(request.kind, request.name, why)


def _forbidden_path(request: Request, user: User) -> ApiError:
    """Return the 403 for a path that is no resource's."""
    what = f'User "{user.name}" cannot {request.verb} path "{request.path}"'
    return failure(403, f"forbidden: {what}", details={})
