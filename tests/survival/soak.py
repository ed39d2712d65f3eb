"""``python -m tests.survival.soak``: queries and changes for an hour; nothing may grow."""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

from tests.survival.asking import Steadily
from tests.survival.test_overload import hostile
from tests.survival.world import KUBEADM, Api, Server, api, minidns, run, udp, upstream

WARM_STEPS = 12_000
"""The steps without pauses at first: 60,000 names, which fill all bounded memory."""
MOST_MB_AN_HOUR = 2.0


def service(number: int) -> dict[str, Any]:
    """Return a Service that comes and goes."""
    ip = f"10.96.201.{number + 1}"
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"churn-{number}", "namespace": "conf-a"},
        "spec": {"clusterIP": ip, "clusterIPs": [ip], "ports": [{"port": 80}]},
    }


def churn(world: Api, server: Server, step: int, rng: Random) -> None:
    """Make or remove a Service, and ask for it, and for names that nobody has."""

    async def change() -> None:
        cluster = world.server.cluster
        number = step % 100
        if step // 100 % 2:
            cluster.delete("Service", "conf-a", f"churn-{number}")
        else:
            cluster.create(service(number))

    run(world.loop, change())
    with udp(server.port, 1.0) as sock:
        for ident in range(5):
            sock.send(hostile(ident, rng))
            sock.recv(2048)


def main() -> int:
    """Soak; return 1 when something was lost or has grown."""
    parser = argparse.ArgumentParser("tests.survival.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", type=int, default=1000, help="queries per second")
    args = parser.parse_args()
    rng = Random(11)
    with tempfile.TemporaryDirectory() as name:
        kubeconfig = Path(name) / "kubeconfig"
        with (
            api(kubeconfig) as world,
            upstream() as port,
            minidns(Path(name), KUBEADM, kubeconfig=kubeconfig, upstream_port=port) as server,
            Steadily(server.port, args.rate) as load,
        ):
            for step in range(WARM_STEPS):
                churn(world, server, step, rng)
            memory, files = server.rss_mb(), server.files()
            end = time.monotonic() + args.minutes * 60
            while time.monotonic() < end:
                step += 1
                churn(world, server, step, rng)
                time.sleep(0.1)
            grown, opened = server.rss_mb() - memory, server.files() - files
    print(
        f"{args.minutes:g} minutes: {load.sent:,} queries and {step:,} changes,"
        f" {load.lost} lost, {load.wrong} wrong, {grown:+.1f} MB, {opened:+d} files"
    )
    kept = grown <= max(MOST_MB_AN_HOUR * args.minutes / 60, 1.0) and opened <= 2
    return 0 if kept and not load.lost and not load.wrong else 1


if __name__ == "__main__":
    sys.exit(main())
