import pytest

from minidns.corefile.blocks import ConfigError
from minidns.kubernetes.options import KubernetesOptions
from minidns.kubernetes.resources import Access
from minidns.plugins.kubernetes import PLUGIN
from tests.kubernetes.made import options
from tests.table import table
from tests.world import World

READ: dict[str, tuple[str, dict[str, object]]] = {
    "defaults": ("", {"ttl": 5, "pods": "disabled", "startup_timeout_s": 5.0}),
    "pods": ("pods verified", {"pods": "verified"}),
    "ttl": ("ttl 3600", {"ttl": 3600}),
    "ttl-only-the-first-word": ("ttl 7 8", {"ttl": 7}),
    "namespaces-add-up": ("namespaces a B; namespaces c", {"namespaces": {"a", "B", "c"}}),
    "namespace_labels": ("namespace_labels a=b", {"namespace_labels": "a=b"}),
    "labels-with-blanks": ("labels a in (b, c)", {"labels": "a in (b,c)"}),
    "endpoint_pod_names": ("endpoint_pod_names", {"endpoint_pod_names": True}),
    "noendpoints": ("noendpoints", {"endpoints": False}),
    "ignore": ("ignore empty_service", {"ignore_empty": True}),
    "ignore-nothing": ("ignore", {"ignore_empty": False}),
    "fallthrough": ("fallthrough", {"fallthrough": (".",)}),
    "fallthrough-zones": (
        "fallthrough In-Addr.arpa 10.0.0.0/8",
        {"fallthrough": ("in-addr.arpa.", "10.in-addr.arpa.")},
    ),
    "multicluster": ("multicluster cluster.local", {"multicluster": ("cluster.local.",)}),
    "zonal": ("zonal", {"zonal": True}),
    "startup_timeout": ("startup_timeout 1m30s", {"startup_timeout_s": 90.0}),
    "kubeconfig": ("kubeconfig f", {"access": Access("f")}),
    "kubeconfig-context": ("kubeconfig f c", {"access": Access("f", "c")}),
    "endpoint": ("endpoint http://x", {"access": Access(endpoint="http://x")}),
    "tls": ("tls c k a", {"access": Access(tls=("c", "k", "a"))}),
    "limits": ("apiserver_qps 1.5; apiserver_burst 0; apiserver_max_inflight 3", {}),
    "ours": (
        "strict; hold 2s; stale_after 5m servfail",
        {"strict": True, "hold_s": 2, "stale_after_s": 300, "stale": "servfail"},
    ),
    "stale_after-serve": ("stale_after 5m", {"stale": "serve"}),
    "audit-default": ("", {"audit_s": 1800.0}),
    "audit": ("audit 10m", {"audit_s": 600.0}),
    "audit-off": ("audit off", {"audit_s": None}),
    "namespaced": ("namespaces a; namespaced", {"namespaced": True}),
}


@table(("body", "expected"), READ.values(), ids=READ)
def test_read(body: str, expected: dict[str, object]) -> None:
    got = options(body)
    assert {name: getattr(got, name) for name in expected} == expected


HERE = "Corefile:3 - Error during parsing: "
END = "Corefile:4 - Error during parsing: "


def wrong(option: str, last: str) -> tuple[str, str]:
    text = f"Wrong argument count or unexpected line ending after '{last}'"
    return option, HERE + text


ERRORS: dict[str, tuple[str, str]] = {
    "unknown": ("upstream", f"{HERE}unknown property 'upstream'"),
    "wildcards": ("wildcards x", f"{HERE}unknown property 'wildcards'"),
    "transfer": ("transfer to *", f"{HERE}unknown property 'transfer'"),
    "resyncperiod": ("resyncperiod 5m", f"{HERE}unknown property 'resyncperiod'"),
    "pods-none": wrong("pods", "pods"),
    "pods-two": wrong("pods insecure verified", "verified"),
    "pods-other": ("pods foo", "wrong value for pods: foo,  must be one of: disabled, verified, insecure"),
    "ttl-none": wrong("ttl", "ttl"),
    "ttl-word": ("ttl x", 'strconv.Atoi: parsing "x": invalid syntax'),
    "ttl-negative": ("ttl -1", f"{HERE}ttl must be in range [0, 3600]: -1"),
    "ttl-large": ("ttl 3601", f"{HERE}ttl must be in range [0, 3600]: 3601"),
    "namespaces-none": wrong("namespaces", "namespaces"),
    "labels-none": wrong("labels", "labels"),
    "labels-bad": (
        "labels a b",
        "unable to parse label selector value: 'a b': couldn't parse the selector"
        " string \"a b\": no requirement begins at 'a b'",
    ),
    "namespace_labels-bad": (
        "namespace_labels team!=a",
        "unable to parse namespace_label selector value: 'team!=a': \"!=\" is not a valid label selector operator",
    ),
    "endpoint_pod_names-word": wrong("endpoint_pod_names x", "x"),
    "noendpoints-word": wrong("noendpoints x", "x"),
    "zonal-word": wrong("zonal x", "x"),
    "ignore-other": ("ignore x", "unable to parse ignore value: 'x'"),
    "endpoint-none": wrong("endpoint", "endpoint"),
    "tls-two": wrong("tls a b", "b"),
    "kubeconfig-none": wrong("kubeconfig", "kubeconfig"),
    "kubeconfig-three": wrong("kubeconfig a b c", "c"),
    "startup_timeout-none": wrong("startup_timeout", "startup_timeout"),
    "startup_timeout-no-unit": (
        "startup_timeout 5",
        'failed to parse startup_timeout: 5, time: missing unit in duration "5"',
    ),
    "apiserver_qps-word": ("apiserver_qps x", f"{HERE}apiserver_qps is not a number: x"),
    "apiserver_burst-negative": ("apiserver_burst -1", f"{HERE}apiserver_burst must not be negative: -1"),
    "apiserver_max_inflight-nan": (
        "apiserver_max_inflight nan",
        f"{HERE}apiserver_max_inflight must not be negative: nan",
    ),
    "both-kinds-of-namespaces": (
        "namespaces a; namespace_labels b",
        "Corefile:5 - Error during parsing: namespaces and namespace_labels cannot both be set",
    ),
    "multicluster-elsewhere": (
        "multicluster other.test",
        f"{END}multicluster zone other.test. is not a zone of this plugin",
    ),
    "zonal-noendpoints": (
        "zonal; noendpoints",
        "Corefile:5 - Error during parsing: zonal and noendpoints cannot both be set",
    ),
    "namespaced-alone": ("namespaced", f"{END}namespaced needs the namespaces to be listed"),
    "hold-long": ("hold 31s", f"{HERE}hold must be between 0s and 30s"),
    "stale_after-policy": ("stale_after 5m x", f"{HERE}stale_after x: must be serve, servfail or unready"),
    "audit-0": ("audit 0s", f"{HERE}audit needs off, or a duration of at least 1s"),
    "audit-two": ("audit off 1m", f"{HERE}audit needs off, or a duration of at least 1s"),
    "audit-word": ("audit never", 'failed to parse audit: never, time: invalid duration "never"'),
    "stale_after-0": ("stale_after 0s", f"{HERE}stale_after needs a duration above 0 and a policy"),
}


@table(("body", "text"), ERRORS.values(), ids=ERRORS)
def test_error(body: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        options(body)
    assert str(caught.value) == text


@pytest.mark.parametrize("zones", ["10.96.0.0/16", "10.in-addr.arpa d.f.ip6.arpa"])
def test_only_reverse_zones(zones: str) -> None:
    with pytest.raises(ConfigError, match=r"^non-reverse zone name must be used$"):
        options(zones=zones)


@table(
    ("zones", "primary"),
    [
        ("cluster.local in-addr.arpa", "cluster.local."),
        ("10.96.0.0/16 a.test b.test", "a.test."),
        ("in-addr.arpa cluster.local", "in-addr.arpa."),
    ],
)
def test_primary_zone(zones: str, primary: str) -> None:
    assert options(zones=zones).primary == primary


def test_zones_without_any_are_those_of_the_block() -> None:
    text = "a.test b.test {\nkubernetes\n}\n"
    site = World().site(text)
    assert PLUGIN.read_one(site.block.directives[0], site) == KubernetesOptions(("a.test.", "b.test."))


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (
            "endpoint http://a http://b",
            "Multiple endpoints have been deprecated, only the first specified endpoint 'http://a' is used",
        ),
        (
            "stale_after 90s unready",
            "stale_after 90s unready: the API server may have nothing to say for longer than that; 120s is safe",
        ),
        ("stale_after 90s", ""),
        ("stale_after 2m servfail", ""),
    ],
)
def test_warnings(caplog: pytest.LogCaptureFixture, line: str, text: str) -> None:
    options(line)
    assert caplog.messages == ([text] if text else [])
