"""``minidns web``: a page that shows what a pod's lookup does in a real cluster."""

import argparse
from collections.abc import Sequence

from minidns.kubernetes.resources import ApiError
from minidns.laptop import corefile as laptop
from minidns.second_dns import session
from minidns.second_dns.objects import SERVICE
from minidns.text.arguments import Parser
from minidns.text.files import describe
from minidns.web import chain, token
from minidns.web.cluster import ClusterSource
from minidns.web.query_log import NAMESPACE, QueryLog
from minidns.web.server import add_port, serve
from minidns.web.source import Events

_EXAMPLES = {
    "minidns web": "the current cluster of kubectl; open the URL that it prints",
    "minidns web --context kind-kind --port 0": "another cluster, at a free port",
}
_NOTES = """\
It reads Pods, Services and EndpointSlices, and for the list of queries the logs of the
DNS pods, and changes nothing. Where ClusterIPs cannot be reached from this machine, it
asks a DNS pod through the API server, for which it needs the right to get and create
pods/portforward. The page listens on loopback only, and answers only to the token in
its URL."""


def parser() -> Parser:
    """Return the parser of the command."""
    parser = Parser(
        "minidns web",
        "Serve a page on this machine that shows every step of a lookup as a pod of a "
        "real cluster makes it: its resolv.conf, its queries, what the cluster's DNS "
        "answers, and what minidns answers and why.",
        _EXAMPLES,
        _NOTES,
    )
    session.add_options(parser)
    add_port(parser)
    return parser


def main(argv: Sequence[str]) -> int:
    """Serve until the process is stopped; return the exit status."""
    args = parser().parse(argv)
    return session.run("minidns web", args, _serve)


async def _serve(args: argparse.Namespace, cluster: session.Session) -> int:
    file = session.kubeconfig(args)
    context = args.context or ""
    try:  # so that a cluster that cannot be reached is one line, and no page
        await cluster.api.find(SERVICE.path(NAMESPACE, "kube-dns"))
    except ApiError as error:
        if not error.status:
            raise
    name = laptop.cluster(file, context) if file else "the cluster of this pod"
    try:
        events = Events()
        log = QueryLog(cluster.api, events, cluster.wall)
        async with chain.running(file, context) as own, log.running():
            source = ClusterSource(cluster.api, own, name, log)
            kept = token.kept(token.state_folder("minidns"))
            await serve(source, events, kept, args.port)
    except OSError as error:
        text = f"{describe(error)}; --port 0 takes a free port"
        raise session.Refusal(text) from None
    return 0
