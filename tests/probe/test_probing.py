"""What is counted of the lookups at one server."""

from minidns.dns.model import Rcode
from minidns.probe.exchange import Kind
from minidns.probe.lookup import Answer, LookupResult
from minidns.probe.probing import Tally


def test_lookups_failures_and_the_latencies_of_replies_are_counted() -> None:
    tally = Tally()
    tally.add(LookupResult(Kind.REPLY, Answer(Rcode.NOERROR), 0.01))
    tally.add(LookupResult(Kind.REPLY, Answer(Rcode.SERVFAIL), 0.02))
    for _ in range(3):
        tally.add(LookupResult(Kind.NO_REPLY, None, 5.0))
    assert tally.lookups == 5
    assert tally.failures == {"SERVFAIL": 1, str(Kind.NO_REPLY): 3}
    assert tally.failed == 4
    assert tally.latencies.count == 2
