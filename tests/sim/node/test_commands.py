from sim.node import commands
from tests.sim.node.outside import outside, unreachable
from tests.table import table


async def test_cat_shows_the_file() -> None:
    container = unreachable()
    output = await commands.run(container, ["cat", "/etc/resolv.conf"])
    assert (output.status, output.text) == (0, container.resolv_conf)


@table(
    ("words", "status", "text"),
    [
        (["cat", "/etc/passwd"], 1, "cat: /etc/passwd: No such file or directory "),
        (["vi"], 127, "vi: command not found "),
        ([], 127, ": command not found "),
    ],
)
async def test_what_is_not_there(words: list[str], status: int, text: str) -> None:
    output = await commands.run(unreachable(), words)
    assert output.status == status
    assert output.text.startswith(text)


async def test_look_ups() -> None:
    async with outside() as (container, _):
        for words in (["dig", "+short", "google.com"], ["nslookup", "google.com"], ["getent", "ahosts", "google.com"]):
            output = await commands.run(container, words)
            assert output.status == 0
            assert "192.0.2.100" in output.text
