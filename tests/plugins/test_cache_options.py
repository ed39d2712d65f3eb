"""Every option of *cache*: what it may be, and what is said of anything else."""

from collections.abc import Callable

import pytest

from minidns.corefile.blocks import ConfigError
from minidns.plugins import cache
from minidns.plugins.cache.options import CacheOptions, Stale, check
from tests.table import table
from tests.world import World, directives


def read_line(line: str, keys: str = ".") -> CacheOptions:
    site = World().site(f"{keys} {{\n{line}\n}}\n")
    lines = directives(site, "cache")
    options: CacheOptions = cache.PLUGIN.read_one(lines[0], site)
    check(options, lines[0])
    return options


def bounds(options: CacheOptions) -> tuple[int, ...]:
    success, denial = options.success, options.denial
    return (*(success.entries, success.longest, success.shortest), *(denial.entries, denial.longest, denial.shortest))


def prefetch(options: CacheOptions) -> tuple[float, ...]:
    values = options.prefetch
    return values.amount, values.gap_s, values.percentage


def disabled(options: CacheOptions) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return options.success.disabled, options.denial.disabled


GOOD: dict[str, tuple[str, Callable[[CacheOptions], object], object]] = {
    "defaults": ("cache", bounds, (9984, 3600, 5, 9984, 1800, 5)),
    "ttl": ("cache 30", bounds, (9984, 30, 5, 9984, 30, 5)),
    "ttl-and-zone": ("cache 30 example.org", bounds, (9984, 30, 5, 9984, 30, 5)),
    "success": ("cache {\nsuccess 5000\n}", bounds, (4864, 3600, 5, 9984, 1800, 5)),
    "success-ttl": ("cache {\nsuccess 256 60\n}", bounds, (1024, 60, 5, 9984, 1800, 5)),
    "success-min": ("cache {\nsuccess 1024 60 0\n}", bounds, (1024, 60, 0, 9984, 1800, 5)),
    "success-more": ("cache {\nsuccess 1024 60 9 x\n}", bounds, (1024, 60, 9, 9984, 1800, 5)),
    "denial": ("cache {\ndenial 2048 60 7\n}", bounds, (9984, 3600, 5, 2048, 60, 7)),
    "ttl-before-success": ("cache 30 {\nsuccess 0 60\n}", bounds, (1024, 60, 5, 9984, 30, 5)),
    "prefetch-none": ("cache", prefetch, (0, 60, 10)),
    "prefetch": ("cache {\nprefetch 3\n}", prefetch, (3, 60, 10)),
    "prefetch-gap": ("cache {\nprefetch 3 5m\n}", prefetch, (3, 300, 10)),
    "prefetch-all": ("cache {\nprefetch 3 5m 90%\n}", prefetch, (3, 300, 90)),
    "servfail-default": ("cache", lambda o: o.failure_s, 5),
    "servfail": ("cache {\nservfail 1m\n}", lambda o: o.failure_s, 60),
    "servfail-most": ("cache {\nservfail 5m\n}", lambda o: o.failure_s, 300),
    "servfail-0": ("cache {\nservfail 0\n}", lambda o: o.failure_s, 0),
    "disable-none": ("cache", disabled, ((), ())),
    "disable": ("cache {\ndisable success\n}", disabled, ((".",), ())),
    "disable-zones": (
        "cache {\ndisable success Cluster.Local\ndisable denial a.org b.org\n}",
        disabled,
        (("cluster.local.",), ("a.org.", "b.org.")),
    ),
    "disable-twice": (
        "cache {\ndisable denial a.org\ndisable denial b.org\n}", disabled, ((), ("b.org.",)),
    ),
    "keepttl": ("cache {\nkeepttl\n}", lambda o: o.keep_ttl, True),
    "stale-none": ("cache", lambda o: o.stale, Stale()),
    "stale": ("cache {\nserve_stale\n}", lambda o: o.stale, Stale(3600, configured=True)),
    "stale-for": ("cache {\nserve_stale 2h\n}", lambda o: o.stale, Stale(7200, configured=True)),
    "stale-immediate": ("cache {\nserve_stale 1h Immediate\n}", lambda o: o.stale, Stale(3600, configured=True)),
    "stale-verify": ("cache {\nserve_stale 1h verify\n}", lambda o: o.stale, Stale(3600, True, configured=True)),
    "stale-immediate-all": (
        "cache {\nserve_stale 1h immediate 30s 1m\n}",
        lambda o: o.stale,
        Stale(3600, configured=True, ttl=30, recheck_s=60),
    ),
    "stale-verify-all": (
        "cache {\nserve_stale 1h verify 100ms 30s 5m\n}",
        lambda o: o.stale,
        Stale(3600, True, 0.1, 30, 300, configured=True),
    ),
    "stale-policy": (
        "cache {\nserve_stale_policy prefer_positive\nserve_stale 2h\n}",
        lambda o: o.stale,
        Stale(7200, configured=True, prefer_positive=True),
    ),
}  # fmt: skip


@table(("line", "field", "value"), GOOD.values(), ids=GOOD)
def test_what_an_option_means(line: str, field: Callable[[CacheOptions], object], value: object) -> None:
    assert field(read_line(line)) == value


@table(
    ("keys", "line", "zones"),
    [
        (".", "cache", (".",)),
        ("a.org b.org:5353", "cache 30", ("a.org.", "b.org.")),
        (".", "cache Cluster.Local", ("cluster.local.",)),
        (".", "cache 30 a.org 10.0.0.0/8", ("a.org.", "10.in-addr.arpa.")),
    ],
)
def test_zones(keys: str, line: str, zones: tuple[str, ...]) -> None:
    assert read_line(line, keys).zones == zones


COUNT = "Corefile:3 - Error during parsing: Wrong argument count or unexpected line ending after "
STALE = "serve_stale 1h"
BAD = {
    "ttl-0": ("cache 0", "cache TTL can not be zero or negative: 0"),
    "ttl-negative": ("cache -1", "cache TTL can not be zero or negative: -1"),
    "unknown": ("cache {\nfailure 5\n}", f"{COUNT}'failure'"),
    "unknown-alone": ("cache {\nfailure\n}", f"{COUNT}'failure'"),
    "success-nothing": ("cache {\nsuccess\n}", f"{COUNT}'success'"),
    "success-word": ("cache {\nsuccess x\n}", 'strconv.Atoi: parsing "x": invalid syntax'),
    "success-ttl-word": ("cache {\nsuccess 1 y\n}", 'strconv.Atoi: parsing "y": invalid syntax'),
    "success-ttl-0": ("cache {\nsuccess 1 0\n}", "cache TTL can not be zero or negative: 0"),
    "success-min": ("cache {\nsuccess 1 5 -1\n}", "cache min TTL can not be negative: -1"),
    "denial-nothing": ("cache {\ndenial\n}", f"{COUNT}'denial'"),
    "denial-ttl-0": ("cache {\ndenial 1 0\n}", "cache TTL can not be zero or negative: 0"),
    "denial-min": ("cache {\ndenial 1 5 -1\n}", "cache min TTL can not be negative: -1"),
    "prefetch-nothing": ("cache {\nprefetch\n}", f"{COUNT}'prefetch'"),
    "prefetch-four": ("cache {\nprefetch 1 1m 10% x\n}", f"{COUNT}'x'"),
    "prefetch-negative": (
        "cache {\nprefetch -1\n}", "prefetch amount should be positive: -1",
    ),
    "prefetch-gap": (
        "cache {\nprefetch 1 5\n}", 'time: missing unit in duration "5"',
    ),
    "prefetch-no-sign": (
        "cache {\nprefetch 1 1m 20\n}",
        "last character of percentage should be `%`, but is: '0'",
    ),
    "prefetch-low": (
        "cache {\nprefetch 1 1m 9%\n}", "percentage should fall in range [10, 90]: 9",
    ),
    "prefetch-high": (
        "cache {\nprefetch 1 1m 91%\n}", "percentage should fall in range [10, 90]: 91",
    ),
    "servfail-nothing": ("cache {\nservfail\n}", f"{COUNT}'servfail'"),
    "servfail-two": ("cache {\nservfail 1s 2s\n}", f"{COUNT}'2s'"),
    "servfail-negative": ("cache {\nservfail -1s\n}", "invalid negative ttl for servfail"),
    "servfail-long": (
        "cache {\nservfail 5m1s\n}", "caching SERVFAIL responses over 5 minutes is not permitted",
    ),
    "disable-nothing": ("cache {\ndisable\n}", f"{COUNT}'disable'"),
    "disable-kind": (
        "cache {\ndisable error\n}", 'cache type for disable must be "success" or "denial"',
    ),
    "keepttl-word": ("cache {\nkeepttl yes\n}", f"{COUNT}'yes'"),
    "stale-number": ("cache {\nserve_stale 5\n}", 'time: missing unit in duration "5"'),
    "stale-negative": (
        "cache {\nserve_stale -1h\n}", "invalid negative duration for serve_stale",
    ),
    "stale-mode": (
        f"cache {{\n{STALE} Sometimes\n}}",
        "invalid value for serve_stale refresh mode: sometimes",
    ),
    "stale-immediate-five": (f"cache {{\n{STALE} immediate 1s 1s 1s\n}}", f"{COUNT}'1s'"),
    "stale-verify-six": (f"cache {{\n{STALE} verify 1s 1s 1s 2s\n}}", f"{COUNT}'2s'"),
    "stale-timeout": (
        f"cache {{\n{STALE} verify soon\n}}",
        'invalid serve_stale verify timeout: time: invalid duration "soon"',
    ),
    "stale-timeout-negative": (
        f"cache {{\n{STALE} verify -1s\n}}", "invalid negative timeout for serve_stale verify",
    ),
    "stale-ttl": (
        f"cache {{\n{STALE} immediate 30\n}}",
        'invalid serve_stale response TTL: time: missing unit in duration "30"',
    ),
    "stale-ttl-negative": (
        f"cache {{\n{STALE} immediate -1s\n}}", "invalid negative response TTL for serve_stale",
    ),
    "stale-ttl-part": (
        f"cache {{\n{STALE} immediate 1500ms\n}}",
        "serve_stale response TTL must be a whole number of seconds",
    ),
    "stale-ttl-huge": (
        f"cache {{\n{STALE} immediate 1193047h\n}}",
        "serve_stale response TTL exceeds the DNS TTL range",
    ),
    "stale-recheck": (
        f"cache {{\n{STALE} immediate 1s later\n}}",
        'invalid serve_stale failure recheck: time: invalid duration "later"',
    ),
    "stale-recheck-negative": (
        f"cache {{\n{STALE} immediate 1s -1s\n}}",
        "invalid negative failure recheck for serve_stale",
    ),
    "stale-recheck-long": (
        f"cache {{\n{STALE} immediate 1s 301s\n}}",
        "serve_stale failure recheck cannot exceed 5 minutes",
    ),
    "policy-nothing": (
        f"cache {{\nserve_stale_policy\n{STALE}\n}}", f"{COUNT}'serve_stale_policy'",
    ),
    "policy-unknown": (
        f"cache {{\nserve_stale_policy Best\n{STALE}\n}}", "invalid serve_stale_policy: Best",
    ),
    "policy-alone": (
        "cache {\nserve_stale_policy prefer_positive\n}", "serve_stale_policy requires serve_stale",
    ),
    "policy-twice": (
        f"cache {{\n{STALE}\nserve_stale_policy prefer_positive\n"
        "serve_stale_policy prefer_positive\n}",
        "serve_stale_policy can only be specified once",
    ),
}  # fmt: skip


@table(("line", "text"), BAD.values(), ids=BAD)
def test_what_is_said_of_anything_else(line: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_line(line)
    assert str(caught.value) == text
    assert (caught.value.file, caught.value.line > 1) == ("Corefile", True)
