"""Sentences of a report: the verdict, what it rests on, and what to do next."""

from collections import Counter

from minidns.trial.arms import NameKind, Software
from minidns.trial.ledger import Ledger
from minidns.trial.lookup import FailureKind
from minidns.trial.suspects import EVERY, Accusation, Suspect
from minidns.trial.verdict import MOST_ODDS, Ranked, Verdict

_DEEDS = {
    FailureKind.NO_REPLY: "drops {rate} of {lookups}",
    FailureKind.LATE: "answers {rate} of {lookups} too late",
    FailureKind.SERVFAIL: "answers SERVFAIL to {rate} of {lookups}",
    FailureKind.REFUSED: "refuses {rate} of {lookups}",
    FailureKind.UNREACHABLE: "rejects {rate} of {lookups}",
}
_WRONG = "answers {rate} of {lookups} wrongly"
_SERVERS = {
    Suspect.SOFTWARE: "CoreDNS",
    Suspect.VERSION: "{release}",
    Suspect.REPLICA: "CoreDNS's replica {part}",
    Suspect.MINIDNS: "minidns",
}
_OTHERS = {
    Suspect.CONFIGURATION: "CoreDNS's configuration makes {rate} of {lookups} fail",
    Suspect.PATH: "The path to kube-dns loses {rate} of {lookups}, not CoreDNS",
    Suspect.SERVICE: "The path to any Service loses {rate} of {lookups}, not CoreDNS",
    Suspect.NODE: "The network of node {part} fails {rate} of its {lookups}",
    Suspect.UPSTREAM: "The upstream resolver fails {rate} of {lookups}, not CoreDNS",
    Suspect.STALE: "Changes of objects reach every DNS late in {rate} of {lookups}",
    Suspect.CLIENT: "The client's resolver fails {rate} of {lookups}, not a DNS server",
    Suspect.EVERYTHING: "Every way fails {rate} of {lookups}: clients or network",
}
_NEXT = {
    Suspect.SOFTWARE: (
        "Run a trial with another version of CoreDNS beside this one (arm V).",
        "Compare CoreDNS's log, CPU throttling and memory with the times of failures.",
    ),
    Suspect.VERSION: (
        "Read CoreDNS's release notes between the two versions.",
        "Roll CoreDNS to the version that did not fail, and repeat the trial.",
    ),
    Suspect.CONFIGURATION: (
        "Compare the Corefile with kubeadm's, which did not fail, plugin by plugin.",
        "Ask minidns why it gives the failing answers: minidns why NAME.",
    ),
    Suspect.REPLICA: (
        "Compare this pod's node, restarts, log and metrics with the other replicas'.",
        "Delete the pod, and repeat the trial: a fault that stays belongs to its node.",
    ),
    Suspect.PATH: (
        "Look at kube-proxy's rules and the conntrack entries of kube-dns's ClusterIP.",
        "Compare kube-dns's EndpointSlices with CoreDNS's ready pods.",
    ),
    Suspect.SERVICE: (
        "Watch insert_failed and drop of conntrack -S on the client's node.",
        "If only lookups of A and AAAA from one socket fail, use single-request-reopen "
        "or a DNS cache on the node.",
    ),
    Suspect.NODE: (
        "Compare drops of interfaces, conntrack and CPU of this node with the others'.",
        "Cordon the node, and repeat the trial from other nodes.",
    ),
    Suspect.UPSTREAM: (
        "Compare coredns_forward_responses_total and its time-outs by upstream.",
        "Ask the operator of the resolver, or name another one in forward.",
    ),
    Suspect.STALE: (
        "Look at the load of the API server and at the age of watches in /metrics.",
        "Compare EndpointSlices at the times of the failures with the answers.",
    ),
    Suspect.CLIENT: (
        "Compare resolv.conf and the C library of the failing image with others'.",
        "Try an absolute name, and single-request-reopen, in the failing program.",
    ),
    Suspect.INTERCEPTOR: (
        "Find what intercepts DNS: minidns status names the known programs.",
        "Repeat the trial from a pod that it does not intercept.",
    ),
    Suspect.MINIDNS: (
        "CoreDNS is not to blame for these failures; please report them to minidns.",
    ),
    Suspect.EVERYTHING: (
        "Look at the client pods and their network: no DNS server stands out.",
        "Repeat the trial from other pods and nodes.",
    ),
    Suspect.NONE: (
        "Repeat the trial when failures are reported, with the names that failed.",
        "If failures are rarer than the bound, look for a lower rate.",
    ),
    Suspect.UNDECIDED: ("Repeat the trial for longer, or at a higher pace.",),
}


def next_steps(verdict: Verdict) -> tuple[str, ...]:
    """Return what to do after a verdict."""
    return _NEXT[verdict.suspect]


def headline(verdict: Verdict, ledger: Ledger) -> str:
    """Return the verdict as one sentence."""
    match verdict.suspect:
        case Suspect.INTERCEPTOR:
            arms = ", ".join(sorted({str(target) for target in ledger.intercepted}))
            return (
                "Something between the clients and minidns answers DNS queries itself: "
                f"integrity probes over {arms} got other answers than minidns gives."
            )
        case Suspect.NONE:
            return _not_reproduced(verdict, ledger)
        case Suspect.UNDECIDED:
            return _undecided(verdict, ledger)
    best, second = verdict.ranking[:2]
    accused = accusation(verdict, ledger)
    runner_up = f"runner-up: {second.accusation.suspect}, {odds(verdict)}"
    return f"{accused}; {percent(best.probability)} sure; {runner_up}."


def accusation(verdict: Verdict, ledger: Ledger) -> str:
    """Return what the convicted suspect does, with the rate."""
    best = verdict.ranking[0].accusation
    tally = verdict.accused
    layout = ledger.layout
    values = {
        "part": best.part,
        "release": f"CoreDNS {layout.release}"
        if layout.release
        else "This version of CoreDNS",
        "rate": percent(tally.failures / max(tally.lookups, 1)),
        "lookups": lookups_of(best),
    }
    if best.suspect in _SERVERS:
        deed = _DEEDS.get(_usual_kind(best, ledger), _WRONG)
        text = f"{_SERVERS[best.suspect]} {deed}".format(**values)
        if best.suspect is Suspect.VERSION and layout.other_release:
            return f"{text}, and {layout.other_release} does not"
        return text
    return _OTHERS[best.suspect].format(**values)


def _usual_kind(best: Accusation, ledger: Ledger) -> FailureKind:
    """Return the most frequent kind of failures over the arms of a server."""
    is_minidns = best.suspect is Suspect.MINIDNS
    kinds: Counter[FailureKind] = Counter()
    for failure in ledger.failures:
        target = failure.target
        if (target.arm.software is Software.MINIDNS) is not is_minidns:
            continue
        if best.part and target.replica not in ("", best.part):
            continue
        kinds[failure.kind] += 1
    return kinds.most_common(1)[0][0] if kinds else FailureKind.NO_REPLY


def lookups_of(best: Accusation) -> str:
    """Return the lookups in the scope of an accusation, in words."""
    if best.scope._replace(per_query=False) == EVERY:
        return "lookups"
    words = []
    if best.scope.manners != EVERY.manners:
        words.append("libc-like")
    if best.scope.names == (NameKind.CLUSTER, NameKind.CHANGED):
        words.append("cluster")
    elif best.scope.names != EVERY.names:
        words.append(" and ".join(best.scope.names))
    return " ".join([*words, "lookups"])


def _not_reproduced(verdict: Verdict, ledger: Ledger) -> str:
    records = [r for t, r in ledger.targets.items() if t.arm.name == "A"]
    failures = sum(record.failures for record in records)
    episodes = sum(record.episodes for record in records)
    number = f"{failures or 'no'} failure{'s' * (failures > 1)}"
    if episodes < failures:
        number += f" ({episodes} episode{'s' * (episodes > 1)})"
    return (
        f"Not reproduced: {number} in {ledger.ticks} lookups over kube-dns, so fewer "
        f"than {percent(verdict.bound)} of them fail (95 % sure); no way stands out."
    )


def _undecided(verdict: Verdict, ledger: Ledger) -> str:
    names = [ranked_words(entry) for entry in verdict.ranking[:3]]
    return (
        f"Undecided after {ledger.ticks} lookup{'s' * (ledger.ticks != 1)} over each "
        "arm; likeliest: "
        f"{', '.join(names)}."
    )


def ranked_words(entry: Ranked) -> str:
    """Return a suspect with its part and probability."""
    part = f" {entry.accusation.part}" if entry.accusation.part else ""
    return f"{entry.accusation.suspect}{part} ({percent(entry.probability)})"


def odds(verdict: Verdict) -> str:
    """Return the odds of the second suspect against the first, such as 1:340."""
    if verdict.odds is None:
        return ""
    if verdict.odds >= MOST_ODDS:
        return "less than 1:1000000"
    return f"1:{verdict.odds:.0f}"


def percent(share: float) -> str:
    """Return a share in percent, with two digits that count.

    >>> [percent(x) for x in (0.011, 0.00042, 0.5, 0.99962, 0.9999999, 0.0)]
    ['1.1 %', '0.042 %', '50 %', '99.96 %', 'more than 99.99 %', '0 %']
    """
    if share > 0.9999:
        return "more than 99.99 %"
    if share > 0.99:
        return f"{100 * share:.4g} %"
    if 0 < share < 1e-6:
        return "less than 0.0001 %"
    return f"{float(f'{100 * share:.2g}'):g} %"
