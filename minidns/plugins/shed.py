"""*shed* - drop and count UDP queries while too many are waiting.

In CoreDNS it keeps responses of one socket in a bounded stack. Here the queue of a
socket is bounded whatever the Corefile says; *shed* changes what a query gets for which
there is no room: nothing, so that the client tries another server, instead of SERVFAIL.
"""

from minidns.corefile.options import no_arguments
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Repeated, Traits


def setup(options: None, site: Site) -> None:
    """Count queries without a reply instead of answering SERVFAIL.

    Raises:
        ConfigError: the server block has another transport than plain DNS.

    """
    (directive,) = site.block.named("shed")
    for key in site.block.keys:
        if key.transport != "dns":
            raise directive.end_error(
                "only plain DNS server blocks are supported;"
                f' "{key}" uses transport "{key.transport}"'
            )
    dropped = site.metrics.counter(
        "coredns_shed_dropped_total",
        "UDP queries and replies that were dropped.",
        ("server", "reason"),
    )

    async def start() -> None:
        for server in site.servers:
            for reason in ("query", "response"):
                dropped.inc((server, reason), 0)

    site.on_start(start)
    site.listen.count_shed = lambda server: dropped.inc((server, "query"))


PLUGIN = PluginSpec(
    name="shed",
    summary="drop and count UDP queries while too many are waiting",
    traits=Traits.NONE,
    setup=setup,
    options=(no_arguments(),),
    repeated=Repeated.REFUSED,
    unknown=lambda line: line.error("shed takes no options"),
)
