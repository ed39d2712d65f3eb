"""Whom to trust, and what to show, when asking over TLS."""

import ssl

from minidns.corefile.errors import ConfigError
from minidns.system import files
from minidns.text.files import reason


def client_context(*paths: str) -> ssl.SSLContext:
    """Return the settings that the arguments of a ``tls`` option mean.

    None: trust what the system trusts. One: the file of authorities to trust. Two: the
    own certificate and its key. Three: certificate, key, authorities. TLS 1.2 at least
    (CoreDNS pkg/tls).

    Raises:
        ConfigError: a file cannot be read, or is not what it should be.

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
        _show(context, *paths[:2])
    return context


def _show(context: ssl.SSLContext, certificate: str, key: str) -> None:
    try:
        for path in (certificate, key):
            files.require_regular(path)
            files.read(path)  # the error of ssl does not say which of them it is
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as exc:
        why = (exc.reason or "no certificate").lower().replace("_", " ")
        raise ConfigError(f"could not load TLS cert: tls: {why}") from exc
    except OSError as exc:
        why = reason(exc, path)
        raise ConfigError(f"could not load TLS cert: {why}") from exc
