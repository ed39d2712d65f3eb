"""Why *kubernetes* answers what it answers: cause, nearest miss, objects, freshness.

Nothing of this runs unless somebody asks. Causes are ids from a fixed set; what they
say is for people.
"""

from collections.abc import Callable, Iterable

from minidns.corefile.values import covers
from minidns.dns.model import Query, Rcode, Response, Source
from minidns.dns.rdata import CNAME
from minidns.explain import aliases, places, services
from minidns.explain.explanation import Cause, Cited, Explanation, Followed
from minidns.explain.situation import Situation
from minidns.kubernetes.answers import ClusterZones
from minidns.kubernetes.model import ClusterQuestion
from minidns.kubernetes.objects import Key, Meta
from minidns.kubernetes.store import Store
from minidns.kubernetes.watcher import ClusterWatcher

_BY_RULE: dict[str, Callable[[Situation], Cause]] = {
    "zone/apex": places.node,
    "zone/node": places.node,
    "zone/namespace": places.node,
    "zone/protocol": places.node,
    "zone/name-server": places.node,
    "zone/ns": places.node,
    "nodata/soa-below-apex": places.soa_below_apex,
    "nodata/family": services.other_family,
    "nodata/type": services.other_type,
    "nodata/no-port": services.no_port,
    "nodata/leads-nowhere": aliases.leads_nowhere,
    "zonal/pin-nothing-there": services.zonal,
    "negative/no-such-zonal-directive": services.zonal,
    "negative/zonal-needs-headless": services.zonal,
    "negative/name-server": places.name_server,
    "negative/not-in-cluster": places.not_in_cluster,
    "negative/too-long": places.too_long,
    "negative/reverse-name": places.reverse_name,
    "negative/pods-disabled": places.pods_disabled,
    "negative/not-a-pod-address": places.not_a_pod_address,
    "negative/no-such-pod": places.no_such_pod,
    "negative/namespace-not-listed": services.not_listed,
    "negative/no-such-namespace": services.no_namespace,
    "negative/no-such-service": services.no_service,
    "negative/empty-service": services.empty_service,
    "negative/no-such-port": services.no_such_port,
    "negative/no-cluster-ip": services.no_cluster_ip,
    "negative/noendpoints": services.no_endpoints_watched,
    "negative/no-ready-endpoint": services.no_ready_endpoint,
    "negative/no-such-endpoint": services.no_such_endpoint,
    "negative/below-external-name": aliases.below_external_name,
    "negative/external-name-is-address": aliases.external_address,
    "negative/no-address": places.no_address,
    "negative/address-hidden": places.hidden_address,
    "negative/no-forward-zone": places.no_forward_zone,
    "negative/unsendable-name": places.unsendable,
}
"""What to say of each rule that gives no records."""


def explain(
    view: ClusterWatcher,
    answers: ClusterZones,
    query: Query,
    response: Response,
    wall: float,
) -> Explanation:
    """Return why ``response`` is the answer to ``query``; ``wall`` is Unix seconds."""
    name, qtype, _ = query.question
    zone = answers.zone_of(name)
    inside = zone or "."
    spelled = query.spelled[-len(inside) :] or inside
    inquiry = ClusterQuestion(name, qtype, inside, spelled, name)
    outcome = answers.answer(inquiry)
    situation = Situation(view, answers, query, response, inquiry, outcome)
    return Explanation(
        _outside(situation) if zone is None else _cause(situation),
        response.rule or outcome.rule,
        zone or "",
        [_cited(each, answers, inside, wall) for each in response.sources],
        view.synced,
        list(_kinds(view)),
    )


def _outside(s: Situation) -> Cause:
    because = f"{s.inquiry.name} is in none of the zones of the plugin"
    return places.other_zone(s) or Cause("outside", because)


def _cause(s: Situation) -> Cause:
    outcome, response = s.outcome, s.response
    if not outcome.exists and covers(s.options.fallthrough, s.inquiry.name):
        own = _by_rule(s)
        because = f"{own.because}; fallthrough passed it on"
        return Cause("passed-on", because, (f"{own.id}", *own.near))
    if not s.view.synced and not outcome.exists:
        return _unsynced(s.view)
    if response.rule == "negative/stale":
        because = "the API server has been silent too long (stale_after servfail)"
        return Cause("stale", because)
    if response.rule.partition("/")[0] in _OTHERS or (
        bool(outcome.answer) != bool(response.answer) and response.rule != outcome.rule
    ):
        because = f"another plugin decided (rule {response.rule or 'unknown'})"
        return Cause("another-plugin", because)
    return _positive(s) if outcome.answer else _by_rule(s)


_OTHERS = frozenset(("hosts", "template", "file", "cache", "rewrite", "acl", "forward"))


def _by_rule(s: Situation) -> Cause:
    found = _BY_RULE.get(s.outcome.rule)
    return found(s) if found else Cause("other", f"rule {s.outcome.rule}")


def _unsynced(view: ClusterWatcher) -> Cause:
    """Say what keeps the view from being complete."""
    refusals = view.refusals()
    if refusals:
        near = tuple(
            f"{resource.plural}: {text}" for resource, text in refusals.items()
        )
        because = "not synced: the API server does not let us list everything (RBAC)"
        return Cause("forbidden", because, near)
    errors = dict.fromkeys(
        each.last_error for each in view.reflectors if each.last_error
    )
    if errors:
        because = "not synced: the API server does not answer as it should"
        return Cause("api-unreachable", because, tuple(errors))
    because = "not synced: the first lists are not complete yet"
    return Cause("not-synced", because)


def _positive(s: Situation) -> Cause:
    rule = s.outcome.rule
    if rule.endswith("/held"):
        because = "the endpoint left its slice a moment ago and is held (option hold)"
        return Cause("held", because)
    records = s.response.answer
    asks = s.inquiry.qtype != CNAME
    if asks and records and all(rrset.rtype == CNAME for rrset in records):
        because = "the alias leads outside, and nothing was found there"
        return Cause("alias-without-address", because)
    if s.response.rcode != Rcode.NOERROR:
        return Cause("another-plugin", "another plugin changed the answer")
    return Cause("found", f"found by rule {rule}")


def _cited(source: Source, answers: ClusterZones, zone: str, wall: float) -> Cited:
    meta = _meta(source, answers.lookup(zone).store) or _meta(
        source, answers.lookup("").store
    )
    age = int(wall) - meta.created if meta and meta.created else None
    return Cited(*source[:4], source.found, age)


def _meta(source: Source, store: Store) -> Meta | None:
    namespace, _, name = source.name.rpartition("/")
    key = Key(namespace, name)
    if source.kind == "Namespace" and name in store.namespaces:
        return store.namespaces[name].meta
    if source.kind in ("Service", "ServiceImport") and key in store.services:
        return store.services[key].meta
    if source.kind == "EndpointSlice" and key in store.slices:
        return store.slices[key].meta
    if source.kind == "Pod" and key in store.pods:
        return store.pods[key].meta
    return None


def _kinds(view: ClusterWatcher) -> Iterable[Followed]:
    for each in view.known():
        where = each.resource.plural, each.resource.namespace
        yield Followed(*where, each.synced, each.silent_s, each.error)
