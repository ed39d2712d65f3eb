"""In which domains a Pod searches: what *autopath* asks *kubernetes*."""

from collections.abc import Sequence

from minidns.dns.model import Name, Query
from minidns.kubernetes.answers import Answers
from minidns.kubernetes.records import within


class SearchLists:
    """The lists that a kubelet writes for Pods with ``ClusterFirst``.

    ``own`` are the search domains of the machine, which stand behind those of the
    cluster in each of them.
    """

    def __init__(self, answers: Answers, own: Sequence[Name]) -> None:
        self._answers = answers
        self._own = own

    def of(self, query: Query) -> tuple[Name, ...]:
        """Return the search list of who asks; empty when it is no Pod we know of.

        Ends with an empty name, for the name without any domain.
        """
        zone = self._answers.zone_of(query.question.qname)
        if zone is None or self._answers.options.pods != "verified":
            return ()
        pod = self._answers.main.pod_at(query.peer[0])
        if pod is None:
            return ()
        services = within("svc.", zone)
        return (f"{pod.key.namespace}.{services}", services, zone, *self._own, "")
