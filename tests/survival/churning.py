"""An API server that changes by itself, as a process of its own.

``python -m tests.survival.churning KUBECONFIG SERVICES RATE SECONDS``: change number n is
made n/RATE seconds after it began, which it says on standard output by the machine's
monotonic clock; change n gives headless Service n modulo SERVICES an address that
tells n. Afterwards it goes on serving.
"""

import argparse
import asyncio
import time
from pathlib import Path

from sim.api.http import ApiServer
from sim.api.server import ClusterApi
from tests.survival.followed import endpoints, service

SPACE = "churn"


def address(number: int) -> str:
    """Return the address that change ``number`` gives."""
    return f"10.{100 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def number_of(address: str) -> int:
    """Return which change gave ``address``."""
    _, high, middle, low = map(int, address.split("."))
    return (high - 100) << 16 | middle << 8 | low


def name(service: int) -> str:
    return f"c{service}.{SPACE}.svc.cluster.local."


async def serve(kubeconfig: Path, services: int, rate: float, seconds: float) -> None:
    """Serve, and once the cluster is watched, change."""
    cluster = ClusterApi()
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}}
    cluster.load([space])
    cluster.load(service(f"c{number}", "None", SPACE) for number in range(services))
    cluster.load(_slice(number, services) for number in range(services))
    async with ApiServer(cluster) as server:
        server.kubeconfig(kubeconfig)
        while len(server.streams) < 3:
            await asyncio.sleep(0.01)
        await asyncio.sleep(1.0)
        began = time.monotonic()
        print(began, flush=True)
        made = 0
        while made < rate * seconds:
            due = int((time.monotonic() - began) * rate)
            cluster.load(_slice(number, services) for number in range(made, due))
            made = due
            await asyncio.sleep(0.002)
        await asyncio.Event().wait()


def _slice(number: int, services: int) -> dict[str, object]:
    which = number % services
    return endpoints(f"c{which}", f"c{which}-1", [address(number)], SPACE)


def main() -> None:
    """Run the process."""
    parser = argparse.ArgumentParser("tests.survival.churning")
    parser.add_argument("kubeconfig", type=Path)
    parser.add_argument("services", type=int)
    parser.add_argument("rate", type=float)
    parser.add_argument("seconds", type=float)
    args = parser.parse_args()
    asyncio.run(serve(args.kubeconfig, args.services, args.rate, args.seconds))


if __name__ == "__main__":
    main()
