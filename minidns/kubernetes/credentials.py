"""Finds the API server and its credentials: service account, kubeconfig, or files.

The only importer of the ``kubernetes`` package, which reads all of them. It is imported
at the first connection, and only in part, see ``modules``. Its errors quote the files
that it reads, so they are reduced to one line without their content.
"""

import functools
import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from ssl import SSLContext
from typing import Any, NamedTuple, Protocol, Self
from urllib.parse import urlsplit

from aiohttp import ClientResponse, ClientTimeout

from minidns.corefile.blocks import ConfigError
from minidns.kubernetes.decode import printable
from minidns.kubernetes.resources import HOST, PORT, Access
from minidns.system import files
from minidns.text import foreign
from minidns.text.files import describe, reason

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""The directory of a pod's service account."""

BASE = ("kubernetes.aio.client.configuration", "kubernetes.aio.client.rest")


@functools.cache
def modules(*names: str) -> tuple[Any, ...]:
    """Import modules of ``kubernetes`` without running its package ``__init__`` files.

    ``import kubernetes`` runs ``kubernetes/__init__.py``, which imports the synchronous
    client, the dynamic client and their dependencies. Measured with kubernetes 37 on
    CPython 3.11: 19.5 MiB and 0.22 s, against 1.5 MiB and 0.02 s for the modules used
    here. A process that serves a small cluster would have 63 MiB instead of 45, more
    than the 60 MiB that docs/performance.md promises.

    So the packages are entered into ``sys.modules`` as empty modules while the named
    modules are imported, and removed afterwards: a later ``import kubernetes`` by
    somebody else gets the whole package. The readers of kubeconfig files refer to
    ``ApiClient`` in a function that minidns does not call, hence the placeholder.
    """
    if "kubernetes" in sys.modules:
        return tuple(map(importlib.import_module, names))
    for package in ("", ".aio", ".aio.utils", ".aio.config"):
        spec = importlib.util.find_spec("kubernetes" + package)
        if spec is None:
            raise ImportError(f"kubernetes{package} is not installed")
        sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    try:
        client = importlib.import_module("kubernetes.aio.client")
        vars(client)["ApiClient"] = None
        return tuple(map(importlib.import_module, names))
    finally:
        for name in [name for name in sys.modules if name.startswith("kubernetes")]:
            del sys.modules[name]


class Configuration(Protocol):
    """The part of the package's Configuration that is used here."""

    host: str
    verify_ssl: bool
    client_session_kwargs: dict[str, object] | None
    refresh_api_key_hook: Callable[[Self], None]

    async def auth_settings(self) -> Mapping[str, Mapping[str, str]]:
        """Return the headers that authenticate a request; may read the token again."""
        ...


class RestResponse(Protocol):
    """The package's RESTResponse."""

    response: ClientResponse


class Rest(Protocol):
    """The package's RESTClientObject."""

    ssl_context: SSLContext

    async def request(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        *,
        body: object = None,
        _request_timeout: ClientTimeout,
    ) -> RestResponse:
        """Send a request; return when the headers of the response have arrived."""
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...


class Cluster(NamedTuple):
    """An API server, and the functions that load credentials for it."""

    server: str
    """URL of the server, without a slash at the end."""
    by: str
    """The source of the choice, for people: a context, or the service account."""
    context: str
    load: Callable[[], Awaitable[Configuration]]
    """Returns a new Configuration of the package; raises whatever the package does."""
    rest: Callable[[Configuration], Rest]

    @property
    def host(self) -> str:
        """Host and port, as labels of metrics."""
        return urlsplit(self.server).netloc.rpartition("@")[2]

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine."""
        name = urlsplit(self.server).hostname or ""
        try:
            return ip_address(name).is_loopback
        except ValueError:
            return name == "localhost"


def find(access: Access, environ: Mapping[str, str], account: Path) -> Cluster:
    """Return the cluster that ``access`` selects.

    Raises:
        ConfigError: there is no such file or context, or no service account.

    """
    if access.kubeconfig:
        return _by_kubeconfig(access)
    _remember_password(access.endpoint)
    if access.endpoint:
        return _by_endpoint(access)
    return _by_account(environ, account)


def problem(error: Exception) -> str:
    """Return why the package failed, without the keys and tokens that it quotes."""
    if isinstance(error, OSError):
        return printable(describe(error))
    if isinstance(error, (AttributeError, IndexError, KeyError, TypeError)):
        return "it does not have the form of a kubeconfig"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    if mark := getattr(error, "problem_mark", None):  # of PyYAML
        at = f"line {mark.line + 1}, column {mark.column + 1}"
        return printable(f"{at}: {getattr(error, 'problem', '')}")
    text = re.sub(r"\{.*", "...", str(error) or type(error).__name__, flags=re.DOTALL)
    return printable(" ".join(text.split()))


def _require(path: str, hint: str = "") -> None:
    """Check a file that the package will open.

    Raises:
        ConfigError: there is none, or it is no regular file.

    """
    try:
        files.require_regular(path)
    except OSError as error:
        raise ConfigError(reason(error, path) + hint) from error


def _remember_password(url: str) -> None:
    """Register the password in ``url`` (RFC 3986 3.2.1) as a secret."""
    with suppress(ValueError):
        foreign.remember(urlsplit(url).password or "")


def _by_account(environ: Mapping[str, str], account: Path) -> Cluster:
    if not (environ.get(HOST) and environ.get(PORT)):
        raise ConfigError(
            "unable to load in-cluster configuration, "
            f"{HOST} and {PORT} must be defined"
        )
    token, ca = account / "token", account / "ca.crt"
    for path in (token, ca):
        _require(str(path), "; does this pod mount a service account?")
    configuration, rest, config = modules(
        *BASE, "kubernetes.aio.config.incluster_config"
    )

    async def load() -> Configuration:
        for path in (token, ca):
            files.require_regular(str(path))
        loaded: Configuration = configuration.Configuration()
        loader = config.InClusterConfigLoader(str(token), str(ca), environ=environ)
        loader.load_and_set(loaded)
        refresh = loaded.refresh_api_key_hook

        def keep(current: Configuration) -> None:
            # the kubelet replaces the token; for a moment the file may be missing
            with suppress(config.ConfigException, OSError):
                files.require_regular(str(token))
                refresh(current)

        loaded.refresh_api_key_hook = keep
        return loaded

    host = environ[HOST]
    server = f"https://{f'[{host}]' if ':' in host else host}:{environ[PORT]}"
    by = "service account of this pod"
    return Cluster(server, by, "", load, rest.RESTClientObject)


def _by_endpoint(access: Access) -> Cluster:
    server = access.endpoint.rstrip("/")
    if "://" not in server:
        server = f"{'https' if access.tls else 'http'}://{server}"
    for path in access.tls or ():
        _require(path)
    configuration, rest = modules(*BASE)

    async def load() -> Configuration:
        for path in access.tls or ():
            files.require_regular(path)
        cert, key, ca = access.tls or (None, None, None)
        loaded: Configuration = configuration.Configuration(
            host=server, cert_file=cert, key_file=key, ssl_ca_cert=ca
        )
        return loaded

    return Cluster(server, "endpoint", "", load, rest.RESTClientObject)


def _by_kubeconfig(access: Access) -> Cluster:
    path = access.kubeconfig
    _require_kubeconfig(path)
    configuration, rest, config = modules(*BASE, "kubernetes.aio.config.kube_config")
    try:
        merged = config.KubeConfigMerger(path).config
        _require_named_files(merged)
        context = access.context or str(merged.value.get("current-context") or "")
        _check_context(path, context, merged.value.get("contexts") or [])
        loader = config.KubeConfigLoader(merged, context)
        name = loader.current_context["context"]["cluster"]
        server = merged["clusters"].get_with_name(name)["cluster"]["server"]
    except ConfigError:
        raise
    except Exception as error:  # the package raises anything for malformed files
        raise ConfigError(f"kubeconfig {path}: {problem(error)}") from error

    async def load() -> Configuration:
        loaded: Configuration = configuration.Configuration()
        _require_kubeconfig(path)
        again = config.KubeConfigMerger(path).config
        _require_named_files(again)
        # the same context as before, even if the file names another one by now
        again = config.KubeConfigLoader(again, context, config_base_path=None)
        await again.load_and_set(loaded)
        return loaded

    _remember_password(server)
    server = server.rstrip("/")
    return Cluster(server, f"context {context}", context, load, rest.RESTClientObject)


def _require_kubeconfig(path: str) -> None:
    """Check the kubeconfigs of ``path``; one of several may be missing (kubectl).

    Raises:
        ConfigError: all are missing, or one is no regular file.

    """
    missing = 0
    every = [os.path.expanduser(file) for file in path.split(os.pathsep)]
    for file in every:
        try:
            files.require_regular(file)
        except FileNotFoundError:
            missing += 1
        except OSError as error:
            text = reason(error, file).removeprefix("open ")
            raise ConfigError(f"kubeconfig {text}") from error
    if missing == len(every):
        raise ConfigError(f"kubeconfig {path}: no such file or directory")


_FILES = {
    "users": ("user", ("tokenFile", "client-certificate", "client-key")),
    "clusters": ("cluster", ("certificate-authority",)),
}
"""Lists of a kubeconfig, the key of what an item is, and its keys of file names."""


def _require_named_files(config: Any) -> None:  # noqa: ANN401  # a node of the package
    """Check the files that a merged kubeconfig names.

    The package itself reports what is missing, but opens anything that is there.
    """
    for kind, (inner, keys) in _FILES.items():
        for item in config.value.get(kind) or []:
            for key in keys:
                name = (item.value.get(inner) or {}).get(key)
                path = os.path.join(os.path.dirname(item.path), str(name or ""))
                if name and os.path.exists(path):
                    _require(path)


def _check_context(path: str, context: str, contexts: Iterable[Any]) -> None:
    names = [str(context["name"]) for context in contexts]
    known = f"it has {', '.join(names) or 'none'}"
    if not context:
        raise ConfigError(f"kubeconfig {path} has no current context; {known}")
    if context not in names:
        raise ConfigError(f'context "{context}" does not exist in {path}; {known}')
