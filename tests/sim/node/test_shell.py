"""sh -c, compared with the shell of this machine where it needs no network."""

import asyncio
import shutil

import pytest

from sim.node import commands
from sim.node.shell import MAX_COMMANDS
from tests.sim.node.outside import outside, unreachable
from tests.table import table


@pytest.mark.skipif(not shutil.which("sh"), reason="there is no shell")
@pytest.mark.parametrize(
    "script",
    [
        "echo a; echo b",
        "echo a && false && echo b || echo c",
        "for i in 1 2 3; do echo $i; done",
        "for i in $(seq 3); do\n  echo n$i\ndone",
        "seq 12 | tail -n 3 | wc -l",
        "seq 20 | head -3",
        "seq 9 | grep -v '[2-8]'; echo $?",
        "seq 3 | grep -c 9; echo $?",
        "echo b a b | grep -o b | sort | uniq -c",
        "printf= ; x=5; echo \"x is $x\" '$x' ${x}6",
        'x="a b"; echo $x "$x"',
        "if true; then echo yes; else echo no; fi",
        "if false; then echo yes; else echo no; fi",
        "while false; do echo never; done; echo done",
        "echo hidden >/dev/null; echo shown 2>/dev/null # comment",
        "exit 3; echo never",
        "false",
        "echo 'a;b|c' \"d && e\" f\\ g",
        "for w in a 'b c' \"d\"; do echo [$w]; done",
        "echo $(echo $(echo deep))",
        "",
    ],
)
async def test_same_as_the_real_one(script: str) -> None:
    ours = await commands.run(unreachable(), ["sh", "-c", script])
    pipe = asyncio.subprocess.PIPE
    theirs = await asyncio.create_subprocess_exec("sh", "-c", script, stdout=pipe, stdin=asyncio.subprocess.DEVNULL)
    told, _ = await theirs.communicate()
    assert (ours.text, ours.status) == (told.decode(), theirs.returncode)


async def test_programs_of_the_pod() -> None:
    script = "for n in google.com smtp.google.com; do dig +short $n | grep -c '^192'; done; nslookup nope.google.com"
    async with outside() as (container, _):
        output = await commands.run(container, ["sh", "-c", script])
    assert output.text.startswith("1\n1\nServer:")
    assert output.status == 1
    assert {query.send.question.qname for query in output.queries} >= {"google.com.", "nope.google.com."}


@table("script", ["echo $((1", "a & b", "for i in 1; echo", "if true; fi", "echo 'open", "cat < x"])
async def test_what_is_not_understood_is_an_error(script: str) -> None:
    output = await commands.run(unreachable(), ["sh", "-c", script])
    assert output.status == 2
    assert output.text.startswith("sh: 1: Syntax error: ")


async def test_endless_loop_ends() -> None:
    output = await commands.run(unreachable(), ["sh", "-c", "while true; do true; done"])
    assert output.text == f"sh: ended after {MAX_COMMANDS} commands\n"
