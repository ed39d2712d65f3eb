import json

from sim.node import commands
from tests.sim.node.outside import outside
from tests.table import table


async def test_report_of_a_lookup_over_real_sockets() -> None:
    async with outside() as (container, _):
        text = await commands.run(container, ["resolve", "musl", "google.com"])
        output = await commands.run(container, ["resolve", "-o", "json", "glibc", "google.com", "A"])
    assert text.status == output.status == 0
    assert "2 queries, 4 packets" in text.text
    report = json.loads(output.text)
    (query,) = report["queries"]
    assert (query["name"], query["result"]) == ("google.com.", "192.0.2.100")
    assert report["result"]["addresses"] == ["192.0.2.100"]


@table("words", [[], ["glibc"], ["nope", "a"], ["glibc", "a", "BOGUS"]])
async def test_wrong_usage(words: list[str]) -> None:
    async with outside() as (container, _):
        output = await commands.run(container, ["resolve", *words])
    assert output.status == 2
    assert "usage: resolve" in output.text
