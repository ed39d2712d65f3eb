import logging

import pytest

from minidns import plugins
from minidns.corefile.blocks import ConfigError
from minidns.plugins.site import Site
from minidns.server.logs import Lines
from tests.table import table
from tests.world import World


def set_up(body: str) -> Site:
    site = World().site(f".:53 {{\n{body}\n}}")
    name = body.split()[0]
    assert plugins.find(name).set_up(site.block.named(name), site) is None
    return site


ACCEPTED = (
    "cancel",
    "cancel 1s",
    "trace",
    "trace localhost:9411",
    "trace Datadog localhost:8126 {\nevery 100\nservice dns\nclient_server\n}",
    "trace zipkin localhost:9411",
    "trace datadog localhost:8126",
    "dnstap /tmp/dnstap.sock full",
    "dnstap tcp://127.0.0.1:6000 full {\nidentity x\nversion y\nextra z\n}",
    "pprof",
    "pprof :6060 {\nblock 1\n}",
)


@table("body", ACCEPTED)
def test_accepted_with_one_line(caplog: pytest.LogCaptureFixture, body: str) -> None:
    caplog.clear()
    set_up(body)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    name = body.split()[0]
    assert Lines().format(record).startswith(f"[WARNING] plugin/{name}: ignored: ")


PARSING = "Error during parsing"
ARGS = "Wrong argument count or unexpected line ending after"
REFUSED = {
    "cancel-two": ("cancel 1s 2s", f"Corefile:2 - {PARSING}: {ARGS} '2s'"),
    "cancel-no-duration": ("cancel 5", 'invalid duration: "5"'),
    "cancel-negative": ("cancel -5s", 'invalid negative duration: "-5s"'),
    "trace-three": ("trace a b c", f"Corefile:2 - {PARSING}: {ARGS} 'c'"),
    "trace-kind": ("trace jaeger x", "tracing endpoint type 'jaeger' is not supported"),
    "trace-option": ("trace {\nfoo\n}", f"Corefile:3 - {PARSING}: unknown property 'foo'"),
    "dnstap-nothing": ("dnstap", f"Corefile:2 - {PARSING}: {ARGS} 'dnstap'"),
    "dnstap-option": ("dnstap x {\nfoo\n}", f"Corefile:3 - {PARSING}: unknown property 'foo'"),
    "pprof-twice": ("pprof\npprof", "this plugin can only be used once per Server Block"),
    "pprof-two": ("pprof :1 :2", f"Corefile:2 - {PARSING}: {ARGS} ':2'"),
    "pprof-address": ("pprof 6053", f"Corefile:2 - {PARSING}: address 6053: missing port in address"),
    "pprof-option": ("pprof {\nfoo\n}", f"Corefile:3 - {PARSING}: unknown property 'foo'"),
    "what-cannot-be-ignored": ("proxyproto", "not supported by minidns"),
}


@table(("body", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(body: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        set_up(body)
    assert str(caught.value) == message
