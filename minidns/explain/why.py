"""Explains an answer of *kubernetes*: its cause, the nearest miss, objects, freshness.

The chain has decided: the response carries its ``Rule`` and the objects that it follows
from. Here the rule selects a function that looks at the store for the cause in detail
and for names that are close. The question is answered again in one case alone, when
another plugin made the response: then its rule says nothing about the cluster.

Nothing here runs unless ``minidns why`` asks.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace

from minidns.corefile.values import covers
from minidns.dns.model import Query, Question, Rcode, Response, Source
from minidns.dns.rdata import CNAME, type_number
from minidns.dns.rules import AnswerRule
from minidns.explain import places, services
from minidns.explain.explanation import (
    Cause,
    CitedObject,
    Explanation,
    WatchedKind,
)
from minidns.explain.situation import Situation
from minidns.kubernetes.answers import ClusterZones
from minidns.kubernetes.model import ClusterQuestion
from minidns.kubernetes.objects import Key, Meta
from minidns.kubernetes.rules import HELD_RULES, Rule
from minidns.kubernetes.store import Store
from minidns.kubernetes.watcher import ClusterWatcher

CAUSES: dict[Rule, Callable[[Situation], Cause]] = {
    Rule.APEX: places.node,
    Rule.INNER_NODE: places.node,
    Rule.NAMESPACE: places.node,
    Rule.PROTOCOL: places.node,
    Rule.NAME_SERVER: places.name_server,
    Rule.NS: places.name_server,
    Rule.NO_SUCH_FAMILY: services.other_family,
    Rule.NO_SUCH_TYPE: services.other_type,
    Rule.NO_PORT_NUMBER: services.no_port,
    Rule.ALIAS_LEADS_NOWHERE: services.leads_nowhere,
    Rule.ZONAL_PIN_NOTHING: services.zonal_nothing_there,
    Rule.NOT_IN_CLUSTER: places.not_in_cluster,
    Rule.TOO_LONG: places.too_long,
    Rule.REVERSE_NAME: places.reverse_name,
    Rule.PODS_DISABLED: places.pods_disabled,
    Rule.NOT_A_POD_ADDRESS: places.not_a_pod_address,
    Rule.NO_SUCH_POD: places.no_such_pod,
    Rule.NO_SUCH_NAMESPACE: services.no_namespace,
    Rule.NO_SUCH_SERVICE: services.no_service,
    Rule.EMPTY_SERVICE: services.empty_service,
    Rule.NO_SUCH_PORT: services.no_such_port,
    Rule.NO_READY_ENDPOINT: services.no_ready_endpoint,
    Rule.NO_SUCH_ENDPOINT: services.no_such_endpoint,
    Rule.EXTERNAL_NAME_IS_ADDRESS: services.external_address,
    Rule.NO_ADDRESS: places.no_address,
}
"""The function that looks for more than the rule says, in an answer without records.

A rule that is not here says all: its own cause is the explanation."""
REWRITTEN = "rewrite"
"""Kind of the source ``NAME TYPE -> NAME TYPE`` of a question that was changed."""


def explain(
    watcher: ClusterWatcher,
    cluster: ClusterZones,
    query: Query,
    response: Response,
    wall: float,
) -> Explanation:
    """Return why ``response`` is the answer to ``query``; ``wall`` is Unix seconds."""
    name, qtype, _ = _looked_up(query, response)
    zone = cluster.zone_of(name)
    inside = zone or "."
    is_rewritten = name != query.question.qname
    spelled = "" if is_rewritten else query.spelled[-len(inside) :]
    question = ClusterQuestion(name, qtype, inside, spelled or inside, name)
    rule = response.rule if isinstance(response.rule, Rule) else None
    situation = Situation(watcher, cluster, response, question, rule)
    cause = _outside(situation) if zone is None else _cause(situation)
    if is_rewritten:
        because = f"{query.question.qname} stands for {name}: {cause.because}"
        cause = cause._replace(because=because)
    return Explanation(
        cause,
        str(response.rule),
        zone or "",
        [_cited(source, cluster, inside, wall) for source in response.sources],
        watcher.synced,
        list(_kinds(watcher)),
    )


def _looked_up(query: Query, response: Response) -> Question:
    """Return the question that was looked up: that of a *rewrite*, if one applied."""
    for source in response.sources:
        if source.kind == REWRITTEN:
            name, _, qtype = source.name.rpartition(" -> ")[2].partition(" ")
            with suppress(ValueError):
                return Question(name, type_number(qtype))
    return query.question


def _outside(s: Situation) -> Cause:
    zones = ", ".join(s.options.zones)
    because = f"{s.question.name} is in none of the zones of the plugin: {zones}"
    cause = places.short_name(s) or places.other_zone(s)
    return cause or Cause("outside", because)


def _cause(s: Situation) -> Cause:
    rule = s.rule
    if rule is None:
        return _other_plugin(s)
    if not s.watcher.synced and not rule.exists and rule is not Rule.STALE:
        return _unsynced(s.watcher)
    return _with_records(s, rule) if s.response.answer else _without_records(s, rule)


def _other_plugin(s: Situation) -> Cause:
    """Return the cause for a response that another plugin made."""
    own = s.cluster.answer(s.question)
    if not own.exists and covers(s.options.fallthrough, s.question.name):
        cause = _without_records(replace(s, rule=own.rule), own.rule)
        because = f"{cause.because}; fallthrough passed it on"
        return Cause("passed-on", because, (cause.id, *cause.near))
    if not own.exists and not s.watcher.synced:
        return _unsynced(s.watcher)
    decided = s.response.rule
    because = f"another plugin decided (rule {decided or 'unknown'})"
    if isinstance(decided, AnswerRule):
        because = f"another plugin decided: {decided.cause} (rule {decided})"
    return Cause("another-plugin", because)


def _without_records(s: Situation, rule: Rule) -> Cause:
    if cause_of := CAUSES.get(rule):
        return cause_of(s)
    return Cause(rule.partition("/")[2], _in_words(rule))


def _with_records(s: Situation, rule: Rule) -> Cause:
    if rule in HELD_RULES:
        return Cause("held", _in_words(rule))
    records = s.response.answer
    is_alias = s.question.qtype != CNAME and all(r.rtype == CNAME for r in records)
    if is_alias:
        because = "the alias leads outside the zone, and its target has no records"
        return Cause("alias-without-address", because)
    if s.response.rcode != Rcode.NOERROR:
        return Cause("another-plugin", "another plugin changed the answer")
    return Cause("found", _in_words(rule))


def _in_words(rule: Rule) -> str:
    return f"{rule.cause} ({rule.reference.strip('*')})"


def _unsynced(watcher: ClusterWatcher) -> Cause:
    """Return what keeps the watcher from its first sync."""
    refusals = watcher.refusals()
    if refusals:
        near = tuple(
            f"{resource.plural}: {text}" for resource, text in refusals.items()
        )
        because = "not synced: the API server does not let us list everything (RBAC)"
        return Cause("forbidden", because, near)
    errors = dict.fromkeys(
        reflector.last_error for reflector in watcher.reflectors if reflector.last_error
    )
    if errors:
        because = "not synced: the API server does not answer as it should"
        return Cause("api-unreachable", because, tuple(errors))
    because = "not synced: the first lists are not complete yet"
    return Cause("not-synced", because)


def _cited(
    source: Source, cluster: ClusterZones, zone: str, wall: float
) -> CitedObject:
    meta = _meta(source, cluster.lookup(zone).store) or _meta(source, cluster.main)
    age_s = int(wall) - meta.created if meta and meta.created else None
    return CitedObject(*source[:4], source.found, age_s)


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


def _kinds(watcher: ClusterWatcher) -> Iterable[WatchedKind]:
    for status in watcher.statuses():
        resource = status.resource
        yield WatchedKind(
            resource.plural,
            resource.namespace,
            status.synced,
            status.silent_s,
            status.error,
        )
