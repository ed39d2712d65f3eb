"""Changes that arrive while something else is measured: endpoints that move.

Run as a process: ``python -m bench.churn KUBECONFIG SERVICES ENDPOINTS RATE SECONDS``;
prints how many changes it made. With ``--unseen`` it changes what no DNS follows: the
same work for the machine, and none for a DNS.
"""

import argparse
import random
import time
from pathlib import Path

from bench.api import Api


def main() -> None:
    """Make ``rate`` changes a second, to one Service after another."""
    parser = argparse.ArgumentParser("bench.churn")
    parser.add_argument("kubeconfig", type=Path)
    parser.add_argument("services", type=int)
    parser.add_argument("endpoints", type=int)
    parser.add_argument("rate", type=float)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--unseen", action="store_true")
    args = parser.parse_args()
    api = Api(args.kubeconfig, args.services, args.endpoints)
    if args.unseen:
        api.make_bystanders()
    change = api.change_bystander if args.unseen else api.move_endpoint
    rng = random.Random(2)
    made, began = 0, time.monotonic()
    while (passed := time.monotonic() - began) < args.seconds:
        if (wait := made / args.rate - passed) > 0:
            time.sleep(wait)
        number = rng.randrange(args.services)
        change(number, f"10.250.{made >> 8 & 255}.{made & 255}")
        made += 1
    print(made)


if __name__ == "__main__":
    main()
