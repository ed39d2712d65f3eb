"""TLS to upstreams: trust, certificates, server names and error texts."""

import functools
import ssl

from minidns.corefile.errors import ConfigError
from minidns.system import files
from minidns.text.files import reason
from minidns.upstream.upstream import Upstream, failure


def client_context(*paths: str) -> ssl.SSLContext:
    """Return the TLS context for the arguments of a ``tls`` option (CoreDNS pkg/tls).

    Without arguments the system's certificate authorities are trusted; one argument is
    a file of authorities; two are the client's certificate and key; three are
    certificate, key and authorities. TLS 1.2 is the oldest version.

    Raises:
        ConfigError: a file cannot be read or used.

    """
    authorities = paths[-1] if len(paths) in (1, 3) else None
    try:
        if authorities is not None:
            files.require_regular(authorities)
        context = ssl.create_default_context(cafile=authorities)
    except ssl.SSLError as exc:
        raise ConfigError(f"could not read root certs: {authorities}") from exc
    except OSError as exc:
        why = reason(exc, str(authorities))
        raise ConfigError(f"error reading {authorities}: {why}") from exc
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if len(paths) > 1:
        _load_certificate(context, *paths[:2])
    return context


def _load_certificate(context: ssl.SSLContext, certificate: str, key: str) -> None:
    try:
        for path in (certificate, key):
            files.require_regular(path)
            files.read(path)  # the error of ssl does not say which file it is
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as exc:
        why = (exc.reason or "no certificate").lower().replace("_", " ")
        raise ConfigError(f"could not load TLS cert: tls: {why}") from exc
    except OSError as exc:
        why = reason(exc, path)
        raise ConfigError(f"could not load TLS cert: {why}") from exc


@functools.cache
def system_trust() -> ssl.SSLContext:
    """Return the TLS context that trusts the system's certificate authorities."""
    return ssl.create_default_context()


def servername(to: Upstream) -> str:
    """Return the name that the certificate of ``to`` must have."""
    return to.servername or to.host.partition("%")[0]


def tls_failure(error: Exception) -> str:
    """Return the text of a failed TLS handshake, in Go's words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"tls: failed to verify certificate: x509: {error.verify_message}"
    return f"tls: {failure(error) if isinstance(error, OSError) else error}"
