"""Changes that arrive while something else is measured: endpoints that move.

Run as a process: ``python -m bench.churn KUBECONFIG SERVICES ENDPOINTS RATE SECONDS``;
prints how many changes it made.
"""

import argparse
import random
import time
from pathlib import Path

from bench.api import Api


def main() -> None:
    """Make ``rate`` changes a second, each to a Service of its own."""
    parser = argparse.ArgumentParser("bench.churn")
    parser.add_argument("kubeconfig", type=Path)
    parser.add_argument("services", type=int)
    parser.add_argument("endpoints", type=int)
    parser.add_argument("rate", type=float)
    parser.add_argument("seconds", type=float)
    args = parser.parse_args()
    api = Api(args.kubeconfig, args.services, args.endpoints)
    rng = random.Random(2)
    made, began = 0, time.monotonic()
    while (passed := time.monotonic() - began) < args.seconds:
        if (wait := made / args.rate - passed) > 0:
            time.sleep(wait)
        number = rng.randrange(args.services)
        api.move_endpoint(number, f"10.250.{made >> 8 & 255}.{made & 255}")
        made += 1
    print(made)


if __name__ == "__main__":
    main()
