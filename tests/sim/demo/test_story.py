from io import StringIO

import pytest

from sim.demo.story import Story


def told(story: Story) -> str:
    assert isinstance(story.out, StringIO)
    return story.out.getvalue()


def test_everything_as_said() -> None:
    story = Story(StringIO())
    story.step("A step")
    story.ask("dig a.example")
    story.ask("dig b.example", "app")
    story.show("one\n\ntwo")
    assert story.check("it is so", 1, 1)
    assert story.end() == 0
    assert told(story) == (
        "\n1. A step\n"
        "  $ dig a.example\n"
        "  app $ dig b.example\n"
        "    one\n\n    two\n"
        "  ok it is so\n"
        "\n1 steps, 1 checks: all passed\n"
    )


def test_what_did_not_come_as_said() -> None:
    story = Story(StringIO())
    story.step("A step")
    assert not story.check("short", "a", "b")
    assert not story.check("long", ["a", "b"], [])
    story.step("Another")
    story.fail("broken", "because of this")
    assert story.end() == 1
    assert told(story) == (
        "\n1. A step\n"
        "  FAILED short\n    expected: a\n    actual:   b\n"
        "  FAILED long\n"
        "    expected:\n      a\n      b\n    actual:   nothing\n"
        "\n2. Another\n  FAILED broken\n    because of this\n"
        "\n2 steps, 2 checks, failed:\n"
        "    1. short\n    1. long\n    2. broken\n"
    )


@pytest.mark.parametrize(("came", "code"), [(1, "\x1b[32m"), (2, "\x1b[31m")])
def test_color(came: int, code: str) -> None:
    story = Story(StringIO(), color=True)
    story.check("it is so", 1, came)
    assert code in told(story)
