"""Every option of every plugin has a row in a table of its tests, and is documented.

The list is CoreDNS's, to 1.14.7. A word stands for an option, or for a value that an
option takes; a row is a string in a table of a test module, or in parametrize.
"""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

OPTIONS = {
    "errors": "stdout stacktrace consolidate warning error info debug show_first",
    "log": (
        "class success denial error all {common} {combined} {type} {name} {class}"
        " {proto} {remote} {local} {size} {port} {duration} {rcode} {rsize} {>rflags}"
        " {>bufsize} {>do} {>id} {>opcode}"
    ),
    "health": ":8080 lameduck",
    "ready": ":8181 monitor until-ready continuously",
    "kubernetes": (
        "pods disabled insecure verified ttl fallthrough namespaces namespace_labels"
        " labels endpoint_pod_names noendpoints ignore empty_service endpoint tls"
        " kubeconfig multicluster startup_timeout apiserver_qps apiserver_burst"
        " apiserver_max_inflight zonal upstream resyncperiod"
    ),
    "prometheus": "localhost:9153 :9153 runtime_metrics tls",
    "forward": (
        "except force_tcp prefer_udp policy random round_robin sequential max_fails"
        " health_check no_rec domain expire max_idle_conns max_age read_timeout"
        " max_concurrent max_connect_attempts tls tls_servername next next_on_nodata"
        " failover failfast_all_unhealthy_upstreams resolver doh_method source_address"
        " tls:// https:// dns://"
    ),
    "cache": (
        "success denial prefetch serve_stale immediate verify serve_stale_policy"
        " prefer_positive servfail disable keepttl"
    ),
    "loop": "loop",
    "reload": "reload",
    "loadbalance": "round_robin weighted reload prefer",
    "hosts": "ttl no_reverse reload fallthrough fallthrough_unsupported",
    "rewrite": (
        "continue stop name exact prefix suffix substring regex answer auto value type"
        " class ttl rcode cname edns0 local nsid subnet set append replace unset revert"
    ),
    "template": (
        "match answer additional authority rcode ederror fallthrough var expr ANY"
    ),
    "file": "reload reload_by_mtime fallthrough",
    "bind": "bind except",
    "bufsize": "bufsize",
    "whoami": "whoami",
    "erratic": "drop truncate delay",
    "debug": "debug",
    "trace": "zipkin datadog every service client_server",
    "autopath": "@kubernetes search domain",
    "local": "local",
    "root": "root",
    "any": "any",
    "nsid": "nsid",
    "chaos": "version.bind version.server hostname.bind id.server authors.bind",
    "dns64": "prefix translate_all allow_ipv4",
    "minimal": "minimal",
    "header": "query response set clear aa ra rd",
    "acl": "allow block filter drop type net",
    "view": "view",
    "metadata": "metadata",
    "dnstap": "full identity version",
    "pprof": "block",
    "cancel": "cancel",
    "timeouts": "read write idle maxtcpqueries",
    "multisocket": "multisocket",
    "tls": "client_auth nocert verify_if_given require_and_verify",
    "transfer": "to source",
    "shed": "shed",
    "k8s_external": "apex ttl headless fallthrough",
}
"""Words by plugin; a plugin without options stands for itself."""

ELSEWHERE = {
    "kubernetes": ["kubernetes/test_options.py", "kubernetes/test_answers_options.py"],
    "rewrite": ["dns/test_ednsrule.py"],
    "trace": ["plugins/test_ignored.py"],
    "dnstap": ["plugins/test_ignored.py"],
    "pprof": ["plugins/test_ignored.py"],
    "cancel": ["plugins/test_ignored.py"],
    "multisocket": ["plugins/test_ignored.py"],
}
"""Test modules of a plugin that do not bear its name."""
ROWS = [(plugin, word) for plugin, words in OPTIONS.items() for word in words.split()]


def modules(plugin: str) -> list[Path]:
    tests = ROOT / "tests"
    named = [
        path
        for path in (tests / "plugins").glob(f"test_{plugin}*.py")
        if re.fullmatch(rf"test_{plugin}(_\w+)?", path.stem)
    ]
    return named + [tests / path for path in ELSEWHERE.get(plugin, [])]


def strings(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


def tables(path: Path) -> Iterator[ast.AST]:
    """Yield the tables of a module, and what its tests are parametrized with."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            yield node.value
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (
                mark
                for mark in node.decorator_list
                if isinstance(mark, ast.Call)
                and "parametrize" in ast.unparse(mark.func)
            )


@functools.cache
def rows(plugin: str) -> str:
    """Return the text of all rows of a plugin's tests."""
    return "\n".join(
        text
        for path in modules(plugin)
        for table in tables(path)
        for text in strings(table)
    )


def has(word: str, text: str) -> bool:
    """Return whether ``word`` stands in ``text``, not as a part of another."""
    before = r"(?<![\w-])" if word[0].isalnum() else ""
    after = r"(?![\w-])" if word[-1].isalnum() else ""
    return re.search(before + re.escape(word) + after, text) is not None


@pytest.mark.parametrize(("plugin", "word"), ROWS, ids=lambda each: each)
def test_an_option_has_a_row_and_is_documented(plugin: str, word: str) -> None:
    assert has(word, rows(plugin)), f"no row of {plugin}'s tests has {word}"
    page = ROOT / f"docs/plugins/{plugin}.md"
    assert has(word, page.read_text()), f"{page.name} does not say {word}"


def test_every_plugin_that_is_documented_has_its_options_listed() -> None:
    pages = {path.stem for path in (ROOT / "docs/plugins").glob("*.md")}
    assert pages - {"ignored"} == set(OPTIONS)
