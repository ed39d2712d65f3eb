"""*tls* - set the certificate for DNS over TLS."""

import logging
from dataclasses import replace

from minidns.corefile.blocks import ConfigError, Directive
from minidns.plugins.contracts import Certificate
from minidns.plugins.options import setting
from minidns.plugins.site import Site
from minidns.plugins.spec import Option, PluginSpec, Traits, Words
from minidns.text import files as paths

log = logging.getLogger(__name__)

_VERIFYING = ("nocert", "verify_if_given", "require_and_verify")
_NOT_VERIFYING = ("request", "require")


def setup(directives: tuple[Directive, ...], site: Site) -> None:
    """Accept ``tls CERTIFICATE KEY [CA] { client_auth KIND }``.

    Raises:
        ConfigError: too few files, an unknown option, or one that minidns lacks.

    """
    for directive in directives:  # the last one counts (CoreDNS)
        if not directive.args:
            raise ConfigError("certificates by ACME are not supported by minidns")
        site.listen.certificate = PLUGIN.read_one(directive, site)


def _set_files(options: Certificate, words: Words) -> Certificate:
    files = [paths.below(words.site.root, word) for word in words.args]
    certificate, key, ca = (*files, "")[:3]
    return replace(options, certificate=certificate, key=key, ca=ca)


def _warn_of_keylog(options: Certificate, words: Words) -> Certificate:
    log.warning("keylog %s is ignored: minidns writes no keys down", words.first)
    return options


def _read_client_auth(words: Words) -> str:
    word = words.first
    if word in _NOT_VERIFYING:
        # Python's ssl takes a certificate only to verify it
        raise words.error(f"client_auth {word} is not supported by minidns")
    if word not in _VERIFYING:
        raise words.error(f"unknown authentication type '{word}'")
    return word


PLUGIN = PluginSpec(
    name="tls",
    summary="set the certificate for DNS over TLS",
    syntax="tls CERTIFICATE KEY [CA]",
    traits=Traits.NONE,
    setup=setup,
    defaults=Certificate("", ""),
    arguments=Option(
        name="",
        arguments="CERTIFICATE KEY [CA]",
        meaning="The files of the certificate, its key, and the CA of clients.",
        example="cert.pem key.pem ca.pem",
        least=2,
        most=3,
        field="certificate",
        apply=_set_files,
        prefix="plugin/tls: ",  # printed twice (CoreDNS)
    ),
    options=(
        setting(
            "client_auth",
            "nocert|verify_if_given|require_and_verify",
            "client_auth",
            _read_client_auth,
            "Whether clients need a certificate.",
            example="client_auth verify_if_given",
        ),
        Option(
            name="keylog",
            arguments="FILE",
            meaning="It is accepted with a warning: no keys are written down.",
            example="keylog keys.log",
            least=1,
            most=1,
            apply=_warn_of_keylog,
        ),
    ),
    unknown=lambda line: line.error(f"unknown option '{line.name}'"),
)
