"""Who asks, and may they: bearer tokens, Roles, ClusterRoles and their bindings."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from . import gate
from .objects import Json
from .requests import Request
from .server import ClusterApi
from .status import ApiError, failure

MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"
ACCOUNT = "system:serviceaccount:"
ALL = "*"
REVIEWS = "/apis/authorization.k8s.io/"
"""Where everybody may ask what they may do (ClusterRole system:basic-user)."""
OPEN_PATHS = ("/api", "/apis", "/healthz", "/livez", "/openapi", "/readyz", "/version")
"""What everybody who has a name may read (ClusterRole system:discovery)."""


@dataclass(frozen=True, slots=True)
class User:
    """Who a request is from."""

    name: str
    groups: tuple[str, ...] = (AUTHENTICATED,)


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is to be allowed: a verb on a resource, or on a path that is none."""

    verb: str
    group: str = ""
    resource: str = ""
    """The plural, with a subresource as in pods/status; empty: it is a path."""
    namespace: str = ""
    name: str = ""
    path: str = ""


def attributes_of(request: Request) -> Attributes:
    """Return what a request needs to be allowed."""
    if request.kind is None:
        return Attributes(request.verb, path=request.path)
    group, resource = request.kind.group, request.resource
    return Attributes(request.verb, group, resource, request.scope, request.name)


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
    given = gate.token_of(request.headers)
    if only and gate.matching(given, [only]) is None:
        raise failure(401, "Unauthorized")
    if tokens is None:
        return user_named(given) if given.startswith(ACCOUNT) else ADMIN
    token = gate.matching(given, tokens)
    if token is None:
        raise failure(401, "Unauthorized")
    return ADMIN if tokens[token] == ADMIN.name else user_named(tokens[token])


def check_administrator(request: Request, tokens: Mapping[str, str] | None) -> None:
    """Let an administrator pass, who may do what no role can allow.

    Raises:
        ApiError: the token is unknown (401) or another user's (403).

    """
    user = authenticated(request, tokens)
    if MASTERS not in user.groups:
        raise failure(403, f'User "{user.name}" is no administrator')


def authorize(cluster: ClusterApi, asked: Attributes, user: User) -> None:
    """Let pass what some role allows.

    Raises:
        ApiError: none does (403).

    """
    if MASTERS in user.groups:
        return
    if asked.verb == "get" and asked.path.startswith(OPEN_PATHS):
        return
    if asked.verb == "post" and asked.path.startswith(REVIEWS):
        return
    allows = _allows if asked.resource else _allows_path
    if not any(allows(r, asked) for r in rules_of(cluster, user, asked.namespace)):
        raise denial(asked, user)


def rules_of(cluster: ClusterApi, user: User, namespace: str) -> Iterator[Json]:
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


def _rules(cluster: ClusterApi, binding: Json, namespace: str) -> Iterable[Json]:
    """Return the rules of the role that a binding names; none if it does not exist."""
    ref = binding.get("roleRef") or {}
    kind = ref.get("kind", "")
    if kind not in ("Role", "ClusterRole"):
        return ()
    role = cluster.find(kind, namespace if kind == "Role" else "", ref.get("name", ""))
    return (role or {}).get("rules") or ()


def _allows(rule: Json, asked: Attributes) -> bool:
    """Return whether one rule allows a verb on a resource."""
    names = rule.get("resourceNames") or ()
    wanted = [ALL, asked.resource]
    if "/" in asked.resource:
        wanted.append(f"*/{asked.resource.partition('/')[2]}")
    return (
        _has(rule, "verbs", ALL, asked.verb)
        and _has(rule, "apiGroups", ALL, asked.group)
        and _has(rule, "resources", *wanted)
        and (not names or asked.name in names)
    )


def _has(rule: Json, field: str, *values: str) -> bool:
    """Return whether a list of a rule has any of ``values``."""
    return not set(values).isdisjoint(rule.get(field) or ())


def _allows_path(rule: Json, asked: Attributes) -> bool:
    """Return whether one rule allows a verb on a path that is no resource's."""
    for path in rule.get("nonResourceURLs") or ():
        start, star, _ = path.partition(ALL)
        fits = asked.path.startswith(start) if star else asked.path == path
        if fits and _has(rule, "verbs", ALL, asked.verb):
            return True
    return False


def denial(asked: Attributes, user: User) -> ApiError:
    """Return the 403 that ``user`` gets."""
    if not asked.resource:
        what = f'User "{user.name}" cannot {asked.verb} path "{asked.path}"'
        return failure(403, f"forbidden: {what}", details={})
    plural = asked.resource.partition("/")[0]
    subject = f"{plural}.{asked.group}" if asked.group else plural
    subject += f' "{asked.name}"' if asked.name else ""
    where = f'in the namespace "{asked.namespace}"'
    if not asked.namespace:
        where = "at the cluster scope"
    message = (
        f'{subject} is forbidden: User "{user.name}" cannot {asked.verb} resource '
        f'"{asked.resource}" in API group "{asked.group}" {where}'
    )
    details = {"name": asked.name, "group": asked.group, "kind": plural}
    return failure(403, message, details={k: v for k, v in details.items() if v})
