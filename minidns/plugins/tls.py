"""*tls* - set the certificate for DNS over TLS."""

import logging
from dataclasses import dataclass

from minidns.corefile.errors import ConfigError
from minidns.corefile.options import Excess, Words, argument, line, option
from minidns.plugins.contracts import Certificate
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Repeated, Traits
from minidns.text.files import below

log = logging.getLogger(__name__)

_VERIFYING = ("nocert", "verify_if_given", "require_and_verify")
_NOT_VERIFYING = ("request", "require")


def _read_files(words: Words) -> tuple[str, ...]:
    if not words.args:
        raise ConfigError("certificates by ACME are not supported by minidns")
    if not 2 <= len(words.args) <= 3:
        raise words.where.arg_error().prefixed("plugin/tls: ")  # twice (CoreDNS)
    return tuple(below(words.root, word) for word in words.args)


def _read_client_auth(words: Words) -> str:
    word = words.first
    if word in _NOT_VERIFYING:
        # Python's ssl takes a certificate only to verify it
        raise words.error(f"client_auth {word} is not supported by minidns")
    if word not in _VERIFYING:
        raise words.error(f"unknown authentication type '{word}'")
    return word


def _warn_of_keylog(options: "TlsOptions", words: Words) -> "TlsOptions":
    log.warning("keylog %s is ignored: minidns writes no keys down", words.first)
    return options


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """The options of *tls*."""

    files: tuple[str, ...] = argument(
        "CERTIFICATE KEY [CA]",
        "Files in PEM form: the certificate, its key, and the CA that signs"
        " certificates of clients. Relative paths start at the folder that *root*"
        " names.",
        (),
        _read_files,
        example="cert.pem key.pem ca.pem",
        always=True,
        least=0,
        excess=Excess.IGNORED,
    )
    client_auth: str = option(
        "client_auth nocert|verify_if_given|require_and_verify",
        "Whether clients must present a certificate that CA has signed.",
        "nocert",
        _read_client_auth,
        example="verify_if_given",
    )


def setup(options: TlsOptions, site: Site) -> None:
    """Set the certificate of the server block's listeners."""
    certificate, key, ca = (*options.files, "")[:3]
    site.listen.certificate = Certificate(certificate, key, ca, options.client_auth)


PLUGIN = PluginSpec(
    name="tls",
    summary="set the certificate for DNS over TLS",
    traits=Traits.NONE,
    setup=setup,
    defaults=TlsOptions(),
    options=(
        line(
            "keylog FILE",
            "Accepted and ignored: minidns does not log keys.",
            _warn_of_keylog,
            example="keys.log",
        ),
    ),
    repeated=Repeated.LAST_COUNTS,
    unknown=lambda line: line.error(f"unknown option '{line.name}'"),
)
