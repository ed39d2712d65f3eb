"""The endpoint of ``minidns why`` names the process and the address that answered."""

import json
import os

import pytest

from minidns.server import explain
from tests.whole import whole

AT = "127.0.0.1:8053"
BLOCKS = {
    "an answer": "whoami",
    "an error": "erratic {\n drop 0\n}\nacl {\n block net 0.0.0.0/0\n}",
    "no reply": "erratic {\n drop 1\n}",
}


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
async def test_which_server_answered(block: str) -> None:
    async with whole(f".:53 {{\n{block}\n}}\n") as server:
        reply = await explain.why(server.instance, server.answerer(), {"name": "example.org"}, AT)
    found = json.loads(reply.body)
    assert found["server"] == {"pid": os.getpid(), "address": AT}
