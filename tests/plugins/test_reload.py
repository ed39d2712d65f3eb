import logging

import pytest

from minidns.corefile.blocks import ConfigError, Corefile, parse
from minidns.plugins import reload
from minidns.plugins.site import Site
from tests.table import table
from tests.world import FilesInMemory, InstanceAlone, World, directives, settle

SERVFAIL = "Corefile:9 - Error during parsing: Unknown directive 'foo'"


def set_up(body: str = "reload 10s 0", world: World | None = None) -> Site:
    site = (world or World()).site(f".:53 {{\n{body}\n}}")
    reload.PLUGIN.set_up(directives(site, "reload"), site)
    return site


def corefile(text: str) -> Corefile:
    return parse(text, files=FilesInMemory(), environ={})


ARGS = "Error during parsing: Wrong argument count or unexpected line ending after"
LEAST = "interval value must be greater or equal to 2s"
REFUSED = {
    "three-arguments": ("reload 2s 1s 1s", f"Corefile:2 - {ARGS} '1s'"),
    "interval-without-unit": ("reload 5", 'time: missing unit in duration "5"'),
    "interval-in-days": ("reload 1d", 'time: unknown unit "d" in duration "1d"'),
    "interval-too-short": ("reload 1999ms", LEAST),
    "interval-zero": ("reload 0", LEAST),
    "jitter-without-unit": ("reload 5s x", 'time: invalid duration "x"'),
    "jitter-too-short": ("reload 5s 999ms", "jitter value must be 0 or greater or equal to 1s"),
    "jitter-negative": ("reload 5s -1s", "jitter value must be 0 or greater or equal to 1s"),
}


@table(("body", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(body: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        set_up(body)
    assert str(caught.value) == message


class Watched:
    """A site that watches its Corefile, and what happens."""

    def __init__(self, body: str = "reload 10s 0", seed: int = 1) -> None:
        self.world = World(seed=seed)
        self.site = set_up(body, self.world)
        assert isinstance(self.site.instance, InstanceAlone)
        self.instance = self.site.instance

    async def start(self) -> None:
        assert self.instance.watch_s is not None
        edges = self.world.edges
        watch = reload.Watch(self.instance, edges, self.world.metrics, self.instance.watch_s)
        self.site.task("reload", watch.run)
        await settle()

    async def change(self, text: str = ".:53 {\nwhoami\n}") -> str:
        """Put another Corefile on disk, let it be seen; return its digest."""
        self.instance.on_disk = changed = corefile(text)
        await self.world.clock.advance(10)
        return changed.digest

    @property
    def failures(self) -> float:
        return self.world.metrics.value("coredns_reload_failed_total")

    @property
    def versions(self) -> dict[tuple[str, ...], float]:
        families = {family.name: family for family in self.world.metrics.families()}
        values = families["coredns_reload_version_info"].values
        return {key: value for key, value in values.items() if isinstance(value, int)}


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    result = [f"[{r.levelname}] {r.getMessage()}" for r in caplog.records]
    caplog.clear()
    return result


INTERVALS = {
    # id: directive, earliest and latest second of the first look
    "default": ("reload", 22.5, 37.5),
    "own-interval-default-jitter": ("reload 100s", 92.5, 107.5),
    "jitter": ("reload 10s 2s", 9, 11),
    "jitter-is-at-most-half": ("reload 10s 1m", 7.5, 12.5),
    "no-jitter": ("reload 10s 0s", 10, 10),
}


@table(("body", "first", "last"), INTERVALS.values(), ids=INTERVALS)
async def test_interval(body: str, first: float, last: float) -> None:
    looks = set()
    for seed in range(20):
        watched = Watched(body, seed)
        watched.instance.on_disk = corefile("")
        await watched.start()
        began = watched.world.clock.time
        await watched.world.clock.advance(first - 0.001)
        assert watched.instance.reloads == 0
        while not watched.instance.reloads:
            await watched.world.clock.advance(0.1)
        looks.add(watched.world.clock.time - began)
        await watched.site.stop()
    assert max(looks) <= last + 0.1
    assert len(looks) > 1 or first == last, "processes must not look all at once"


async def test_says_what_runs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    watched = Watched()
    await watched.start()
    digest = watched.instance.corefile.digest
    assert len(digest) == 128
    assert lines(caplog) == [f"[INFO] Running configuration SHA512 = {digest}"]
    assert watched.failures == 0
    assert watched.versions == {}
    await watched.site.stop()


async def test_no_change_no_reload() -> None:
    watched = Watched()
    await watched.start()
    await watched.world.clock.advance(100)
    assert watched.instance.reloads == 0
    await watched.site.stop()


async def test_change_is_taken_over_once() -> None:
    watched = Watched()
    await watched.start()
    digest = await watched.change()
    assert watched.instance.reloads == 1
    assert watched.versions == {("sha512", digest): 1}
    await watched.change(".:53 {\nerrors\n}")
    assert watched.instance.reloads == 1, "now the new Corefile says who watches"
    await watched.site.stop()


async def test_a_broken_file_is_not_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    watched = Watched()
    await watched.start()
    watched.instance.broken = ConfigError(SERVFAIL)
    digest = await watched.change()
    assert lines(caplog) == [
        f"[ERROR] Corefile changed but reload failed: starting with listener file descriptors: {SERVFAIL}"
    ]
    await watched.world.clock.advance(100)
    assert lines(caplog) == []
    assert (watched.instance.reloads, watched.failures) == (1, 1)
    assert watched.versions == {("sha512", digest): 1}
    await watched.site.stop()


async def test_a_mended_file_is_tried() -> None:
    watched = Watched()
    await watched.start()
    watched.instance.broken = ConfigError(SERVFAIL)
    await watched.change()
    watched.instance.broken = None
    digest = await watched.change(".:53 {\nerrors\n}")
    assert (watched.instance.reloads, watched.failures) == (2, 1)
    assert watched.versions == {("sha512", digest): 1}
    await watched.site.stop()


async def test_unparseable_is_told_each_time_and_not_tried(caplog: pytest.LogCaptureFixture) -> None:
    watched = Watched()
    await watched.start()
    with pytest.raises(ConfigError) as caught:
        corefile(".:53 {\nerrors")
    watched.instance.on_disk = caught.value
    await watched.world.clock.advance(20)
    line = f"[WARNING] Corefile parse failed: {caught.value}"
    assert lines(caplog) == [line, line]
    assert (watched.instance.reloads, watched.failures) == (0, 0)
    await watched.site.stop()


async def test_bad_keys_fail_the_reload_once(caplog: pytest.LogCaptureFixture) -> None:
    watched = Watched()
    await watched.start()
    with pytest.raises(ConfigError) as caught:
        corefile("a..b {\n}")
    watched.instance.on_disk = watched.instance.broken = caught.value
    await watched.world.clock.advance(100)
    (line,) = lines(caplog)
    assert line.endswith("error inspecting server blocks: zone is not a valid domain name: a..b")
    assert (watched.instance.reloads, watched.failures) == (1, 1)
    await watched.site.stop()


async def test_a_missing_file_is_not_worth_a_word(caplog: pytest.LogCaptureFixture) -> None:
    watched = Watched()
    await watched.start()
    watched.instance.on_disk = FileNotFoundError("Corefile")
    await watched.world.clock.advance(100)
    assert lines(caplog) == []
    assert watched.instance.reloads == 0
    await watched.site.stop()


async def test_the_last_block_watches_for_all() -> None:
    watched = Watched("reload 5s 0")
    other = watched.world.site("example.org:53 {\nreload 10s 0\n}")
    other.instance = watched.instance
    reload.PLUGIN.set_up(directives(other, "reload"), other)
    watched.instance.sites.append(other)
    assert watched.instance.watch_s == 10
