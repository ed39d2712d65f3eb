"""What a trial will create, do and cost, for people to agree to beforehand."""

from collections.abc import Iterator, Sequence

from minidns.second_dns.objects import ref_of
from minidns.text.go_text import format_duration
from minidns.trial.live import build, names, view
from minidns.trial.live.conduct import Pace
from minidns.trial.live.names import Wanted
from minidns.trial.live.objects import SETUP_S, Design
from minidns.trial.report.sentences import percent
from minidns.trial.statistics import lookups_needed


def lines(design: Design, pace: Pace, wanted: Sequence[Wanted]) -> Iterator[str]:
    """Yield what the trial will create, do and cost, line by line."""
    yield (
        f"This trial looks for failures of {percent(pace.rate)} of lookups or more, "
        f"for {format_duration(pace.limit_s)} at most."
    )
    for obj in build.described(design):
        spec = obj.get("spec", {})
        count = spec.get("parallelism") or spec.get("replicas")
        yield f"  create {ref_of(obj)}" + (f" (pods: {count})" if count else "")
    kinds = ", ".join(names.described([name.meanings[0] for name in wanted]))
    yield f"Names: {kinds}."
    per_replica = (1 + 2 / max(len(design.pods), 1)) / pace.interval_s
    yield (
        f"Load: {1 / pace.interval_s:.2g} lookups a second over each arm, so "
        f"{per_replica:.2g} at each CoreDNS pod."
    )
    needed = lookups_needed(pace.rate, view.EPISODES)
    needed_s = needed * pace.interval_s
    text = f"About {needed} lookups over each arm show such a rate: "
    yield text + f"{format_duration(round(needed_s))} at this pace."
    if needed_s > pace.limit_s:
        rarest = pace.rate * needed_s / pace.limit_s
        yield (
            f"note: in {format_duration(pace.limit_s)} only a rate of "
            f"{percent(min(rarest, 1.0))} shows: give a longer --for, a higher "
            "--rate or a higher --per-replica"
        )
    lease = format_duration(pace.limit_s + SETUP_S)
    yield f"If this command is killed, the cluster removes all of it within {lease}."
