"""What is refused, and what an API server's refusal means for people."""

import re

from minidns.kubernetes.documents import Refused

_DENIED = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\w+) resource "(?P<what>[^"]*)" '
    r'in API group "(?P<group>[^"]*)"(?: in the namespace "(?P<where>[^"]*)")?'
)
"""How the RBAC authorizer says no (Kubernetes authorization, RBAC)."""


class Refusal(Exception):
    """Something that is not done; ``str()`` is one line that says why, for people."""


def of(refused: Refused) -> Refusal:
    """Return what a refusal of the API server comes to, in one line."""
    if refused.status == 401:
        return Refusal("the API server does not accept these credentials (401)")
    denied = _DENIED.search(str(refused))
    if refused.status != 403 or denied is None:
        return Refusal(str(refused))
    return Refusal(
        f"not allowed: {missing(denied)}; who may grant it: kubectl create "
        f"{'role' if denied['where'] else 'clusterrole'} minidns {_grant(denied)}"
    )


def missing(denied: re.Match[str]) -> str:
    """Return which verb on what is missing, and to whom."""
    group = f".{denied['group']}" if denied["group"] else ""
    where = (
        f"in namespace {denied['where']}" if denied["where"] else "in all namespaces"
    )
    return f"{denied['verb']} on {denied['what']}{group} {where}, as {denied['user']}"


def _grant(denied: re.Match[str]) -> str:
    resource, _, sub = denied["what"].partition("/")
    group = f".{denied['group']}" if denied["group"] else ""
    words = f"--verb={denied['verb']} --resource={resource}{group}{sub and '/' + sub}"
    return f"{words} -n {denied['where']}" if denied["where"] else words
