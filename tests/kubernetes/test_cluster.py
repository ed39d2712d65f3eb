"""Which API server is meant, and what people are told when it cannot be known."""

from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

from minidns.corefile.blocks import ConfigError
from minidns.kubernetes import credentials
from minidns.kubernetes.credentials import Cluster
from minidns.kubernetes.resources import Access
from tests.table import table

Environ: TypeAlias = dict[str, str]

SECRET = "s3cr3t-t0k3n"


def find(access: Access, account: Path = Path("/nowhere"), environ: Environ | None = None) -> Cluster:
    return credentials.find(access, environ or {}, account)


def kubeconfig(path: Path, **changes: Any) -> str:
    """Write a kubeconfig of two contexts; return its path."""
    tree = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "kind-kind",
        "clusters": [
            {"name": "c1", "cluster": {"server": "https://127.0.0.1:6443/"}},
            {"name": "c2", "cluster": {"server": "http://10.0.0.1:8080"}},
        ],
        "users": [{"name": "u1", "user": {"token": SECRET}}],
        "contexts": [
            {"name": "kind-kind", "context": {"cluster": "c1", "user": "u1"}},
            {"name": "prod", "context": {"cluster": "c2", "user": "u1"}},
        ],
    }
    path.write_text(yaml.safe_dump(tree | changes))
    return str(path)


@pytest.fixture
def account(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text(SECRET)
    (tmp_path / "ca.crt").write_text("a certificate")
    return tmp_path


IN_POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}


@table(
    "environ",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"KUBERNETES_SERVICE_HOST": "10.96.0.1"}, id="no-port"),
        pytest.param(IN_POD | {"KUBERNETES_SERVICE_HOST": ""}, id="empty-host"),
    ],
)
def test_not_in_a_pod_is_said_in_corednss_words(environ: Environ) -> None:
    with pytest.raises(ConfigError) as caught:
        find(Access(), environ=environ)
    assert str(caught.value) == (
        "unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined"
    )


@pytest.mark.parametrize("missing", ["token", "ca.crt"])
def test_a_pod_without_a_service_account(account: Path, missing: str) -> None:
    (account / missing).unlink()
    with pytest.raises(ConfigError) as caught:
        find(Access(), account, IN_POD)
    assert str(caught.value) == (
        f"open {account / missing}: no such file or directory; does this pod mount a service account?"
    )


@pytest.mark.parametrize(
    ("host", "server"),
    [
        pytest.param("10.96.0.1", "https://10.96.0.1:443", id="ipv4"),
        pytest.param("fd00::1", "https://[fd00::1]:443", id="ipv6"),
    ],
)
def test_in_a_pod(account: Path, host: str, server: str) -> None:
    found = find(Access(), account, IN_POD | {"KUBERNETES_SERVICE_HOST": host})
    assert (found.server, found.context) == (server, "")
    assert found.by == "service account of this pod"


async def test_an_account_as_the_package_reads_it(account: Path) -> None:
    made = await find(Access(), account, IN_POD).load()
    assert made.host == "https://10.96.0.1:443"
    auth = (await made.auth_settings())["BearerToken"]
    assert (auth["key"], auth["value"]) == ("authorization", f"bearer {SECRET}")


@pytest.mark.parametrize(
    ("context", "server", "name"),
    [
        pytest.param("", "https://127.0.0.1:6443", "kind-kind", id="the-current-one"),
        pytest.param("prod", "http://10.0.0.1:8080", "prod", id="one-by-name"),
    ],
)
def test_a_context(tmp_path: Path, context: str, server: str, name: str) -> None:
    path = kubeconfig(tmp_path / "config")
    found = find(Access(kubeconfig=path, context=context))
    assert (found.server, found.context, found.by) == (server, name, f"context {name}")


async def test_the_context_stays_when_kubectl_moves_on(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config")
    found = find(Access(kubeconfig=path))
    kubeconfig(tmp_path / "config", **{"current-context": "prod"})
    assert (await found.load()).host == "https://127.0.0.1:6443"


def test_home_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    kubeconfig(tmp_path / "config")
    assert find(Access(kubeconfig="~/config")).context == "kind-kind"


@pytest.mark.parametrize(
    ("changes", "context", "text"),
    [
        pytest.param(
            {},
            "pord",
            'context "pord" does not exist in {path}; it has kind-kind, prod',
            id="unknown-context-names-those-there-are",
        ),
        pytest.param(
            {"current-context": "old"},
            "",
            'context "old" does not exist in {path}; it has kind-kind, prod',
            id="unknown-current-context",
        ),
        pytest.param(
            {"current-context": ""},
            "",
            "kubeconfig {path} has no current context; it has kind-kind, prod",
            id="no-current-context",
        ),
        pytest.param({"contexts": None}, "x", 'context "x" does not exist in {path}; it has none', id="no-contexts"),
        pytest.param(
            {"clusters": []},
            "",
            "kubeconfig {path}: Invalid kube-config file. Expected object with name c1 in {path}/clusters list",
            id="no-such-cluster",
        ),
    ],
)
def test_a_kubeconfig_with_something_missing(tmp_path: Path, changes: dict[str, Any], context: str, text: str) -> None:
    path = kubeconfig(tmp_path / "config", **changes)
    with pytest.raises(ConfigError) as caught:
        find(Access(kubeconfig=path, context=context))
    assert str(caught.value) == text.format(path=path)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("just text", id="text"),
        pytest.param("[1, 2]", id="a-list"),
        pytest.param("a: {b", id="no-yaml"),
        pytest.param("contexts: 5", id="contexts-is-a-number"),
        pytest.param("\x00", id="binary"),
    ],
)
def test_a_file_that_is_no_kubeconfig(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        find(Access(kubeconfig=str(path)))
    assert str(caught.value).startswith(f"kubeconfig {path}")
    assert str(caught.value).isprintable()


def test_no_kubeconfig_there() -> None:
    with pytest.raises(ConfigError) as caught:
        find(Access(kubeconfig="/nowhere/config"))
    assert str(caught.value) == "kubeconfig /nowhere/config: no such file or directory"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"users": [{"name": "u1", "token": SECRET}]}, id="no-user"),
        pytest.param({"users": [{"token": SECRET}]}, id="no-name"),
        pytest.param(
            {"contexts": [{"name": "kind-kind", "context": {"user": "u1", "token": SECRET}}]}, id="no-cluster"
        ),
        pytest.param({"clusters": [{"name": "c1", "cluster": {"token": SECRET}}]}, id="no-server"),
    ],
)
async def test_no_secret_is_quoted(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = kubeconfig(tmp_path / "config", **changes)
    with pytest.raises(Exception) as caught:  # noqa: PT011 -- either of two
        await find(Access(kubeconfig=path)).load()
    assert SECRET not in credentials.problem(caught.value)


@pytest.mark.parametrize(
    ("access", "server"),
    [
        pytest.param(Access(endpoint="http://a:8080/"), "http://a:8080", id="url"),
        pytest.param(Access(endpoint="a:8080"), "http://a:8080", id="no-scheme"),
    ],
)
def test_an_endpoint(access: Access, server: str) -> None:
    found = find(access)
    assert (found.server, found.by, found.host) == (server, "endpoint", "a:8080")


async def test_an_endpoint_with_certificates(tmp_path: Path) -> None:
    cert, key, ca = (str(tmp_path / name) for name in ("cert", "key", "ca"))
    access = Access(endpoint="a:6443", tls=(cert, key, ca))
    for path in (cert, key, ca):
        with pytest.raises(ConfigError, match="no such file or directory"):
            find(access)
        Path(path).write_text("pem")
    made: Any = await find(access).load()
    assert made.host == "https://a:6443"
    assert (made.cert_file, made.key_file, made.ssl_ca_cert) == (cert, key, ca)


@table(
    ("endpoint", "expected"),
    [
        ("http://127.0.0.1:1", True),
        ("https://[::1]:6443", True),
        ("http://localhost", True),
        ("https://10.96.0.1:443", False),
        ("https://localhost.example.org", False),
    ],
)
def test_loopback(endpoint: str, expected: bool) -> None:
    assert find(Access(endpoint=endpoint)).is_loopback is expected


def test_metrics_do_not_show_a_password() -> None:
    assert find(Access(endpoint="http://me:pw@a:8080")).host == "a:8080"
