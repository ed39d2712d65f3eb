import pytest

from minidns.second_dns import objects
from minidns.second_dns.objects import BUDGET, DAEMON_SET, DEPLOYMENT, POD, SERVICE, Kind, Ref
from minidns.second_dns.session import Refusal
from sim.api.kinds import KINDS
from tests.table import table


@table(
    ("word", "kind"),
    [
        ("deploy/web", DEPLOYMENT),
        ("deployment/web", DEPLOYMENT),
        ("deployments/web", DEPLOYMENT),
        ("Deployment/web", DEPLOYMENT),
        ("deployment.apps/web", DEPLOYMENT),
        ("ds/web", DAEMON_SET),
        ("po/web", POD),
    ],
)
def test_words_as_kubectl_takes_them(word: str, kind: Kind) -> None:
    assert objects.parse_ref(word, "shop") == Ref(kind, "shop", "web")


@table("word", ["web", "deploy", "deploy/", "/web", "job/web", "service/web", ""])
def test_what_has_no_pods_of_its_own_is_refused(word: str) -> None:
    with pytest.raises(Refusal, match=f"{word}: deploy/NAME, .* is needed"):
        objects.parse_ref(word, "shop")


def test_paths_are_those_of_the_server() -> None:
    rows = {row.name: f"{row.prefix}/{row.plural}" for row in KINDS}
    ours = [var for var in vars(objects).values() if isinstance(var, Kind)]
    assert {kind.name: kind.path() for kind in ours}.items() <= rows.items()


def test_paths() -> None:
    assert SERVICE.path() == "/api/v1/services"
    assert SERVICE.path("a") == "/api/v1/namespaces/a/services"
    assert BUDGET.path("a", "b") == ("/apis/policy/v1/namespaces/a/poddisruptionbudgets/b")


def test_refs() -> None:
    obj = {"kind": "Deployment", "metadata": {"namespace": "shop", "name": "web"}}
    ref = objects.ref_of(obj)
    assert (str(ref), ref.word) == ("Deployment shop/web", "deployment/web")
    assert ref.path == "/apis/apps/v1/namespaces/shop/deployments/web"
