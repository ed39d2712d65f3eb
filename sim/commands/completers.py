"""Values that shells complete: resolvers, causes of trials, pods of the cluster."""

from argparse import Namespace
from collections.abc import Sequence

from minidns.commands.completers import objects
from minidns.text.arguments import Parser

from ..resolver import kinds
from ..trial.causes import CAUSES
from .common import add_folder


def resolvers(before: Sequence[str]) -> list[str]:
    """Return the names of the stub resolvers."""
    return [line.split()[0] for line in kinds.listing().splitlines()]


def causes(before: Sequence[str]) -> list[str]:
    """Return the causes that a trial can plant."""
    return list(CAUSES)


def pods(before: Sequence[str]) -> list[str]:
    """Return the pods of the cluster that is up."""
    parser = Parser("minidns-sim", "", {})
    add_folder(parser)
    folder = parser.parse_known_args(before)[0].state
    cluster = Namespace(kubeconfig=str(folder / "kubeconfig"), context="")
    found = (each["metadata"] for each in objects(cluster, "/api/v1/pods"))
    return [f"{each['namespace']}/{each['name']}" for each in found]
