"""The lessons: each plays through, takes the right answers, and refuses wrong ones."""

import io
import re

import pytest

from sim.__main__ import main
from sim.lesson.page import Lesson, lessons, parse
from sim.lesson.session import GIVE_UP, Session, is_right
from sim.scenario.play import PlayedStep, Scenario, Step, failure_lines
from tests import lesson_pictures
from tests.table import table

ANSWERS = {
    1: [("bank.svc.cluster.local.", "shop.svc.cluster.local"), ("192.0.2.53", "10.96.0.10")],
    2: [("8", "2"), ("4 queries", "6")],
    3: [("10.244.0.7", "10.244.0.2"), ("noerror", "NXDOMAIN")],
    4: [("NXDOMAIN", "NODATA"), ("10.244.1.9", "10.244.0.7")],
    5: [("18", "30"), ("30", "18")],
    6: [("NXDOMAIN", "NOERROR"), ("NOERROR", "NXDOMAIN"), ("NOERROR", "NODATA")],
    7: [("EAI_NONAME", "EAI_AGAIN"), ("5 s", "10")],
    8: [("2s", "5"), ("10", "5")],
    9: [("one-replica", "software")],
}
"""A right and a wrong answer to each question, by the number of the lesson."""
LESSONS = {lesson.number: lesson for lesson in lessons()}
every_lesson = pytest.mark.parametrize("lesson", LESSONS.values(), ids=lambda each: str(each.number))


def taken(lesson: Lesson, *typed: str, waits: bool = False) -> tuple[bool, str]:
    """Return whether a lesson was passed, and what a learner who typed this has seen."""
    lines, shown = iter(typed), list[str]()
    passed = Session(lambda: next(lines, None), shown.append, waits=waits).take(lesson)
    return passed, "".join(shown)


def test_the_lessons_are_numbered_and_have_answers() -> None:
    assert list(LESSONS) == list(ANSWERS)
    assert {lesson.questions for lesson in LESSONS.values()} == {len(each) for each in ANSWERS.values()}


@pytest.mark.slow
@every_lesson
def test_what_a_lesson_says_is_what_happens_and_its_right_answers_pass(lesson: Lesson) -> None:
    typed = iter(answer for right, wrong in ANSWERS[lesson.number] for answer in (wrong, right))
    lines = list[str]()
    session = Session(lambda: next(typed, None), lines.append, waits=False)
    assert session.take(lesson)
    wrong = [each for each in session.played if not each.holds]
    assert [line for each in wrong for line in failure_lines(Scenario(lesson.title, lesson.steps), each)] == []
    hints = [each.step.hint for each in session.played if each.step.has_blank]
    assert all(hints)
    shown = "".join(lines)
    assert [hint for hint in hints if hint not in shown] == [], "a wrong answer gets a hint"
    assert lesson.end in shown
    assert 5 <= int(re.findall(r"\d+", lesson.minutes)[0]) <= 10


def test_the_pictures_are_those_that_the_script_draws() -> None:
    """`python -m tests.lesson_pictures` writes them."""
    for path, text in lesson_pictures.files().items():
        assert path.read_text(encoding="utf-8") == text
        page = next(path.parents[1].glob(f"{path.stem}-*.md"))
        assert f"](pictures/{path.name})" in page.read_text(encoding="utf-8")


def test_the_command_takes_answers_from_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("7\n8\n4\n"))
    assert main(["lesson", "2", "--play"]) == 0
    assert "1 lookup, 8 queries" in capsys.readouterr().out


def test_the_command_lists_the_lessons(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lesson"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{each.title} ({each.minutes})" for each in LESSONS.values()]


def test_there_is_no_such_lesson(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["lesson", "10"])
    assert "there are 1 to 9" in capsys.readouterr().err


PAGE = """\
# A lesson

*5 minutes*

![a picture](one.svg)

Above.

```scenario
pod shop/client
cat shop/client
  ...
  nameserver 10.96.0.10
  ...
```

Between.

```scenario continued
service shop/web ip 10.96.7.7 port http:80
# hint: Look at the Service.
resolve shop/client web
  ...
  ...
  got ____
```

Below.
"""


@table(
    ("typed", "passes", "seen"),
    [
        pytest.param(["10.96.7.7"], True, "got 10.96.7.7", id="right"),
        pytest.param(["10.96.7.8", "10.96.7.7"], True, "Look at the Service.", id="a-wrong-answer-gets-a-hint"),
        pytest.param(["", "10.96.7.7"], True, "Look at the Service.", id="no-answer-gets-a-hint"),
        pytest.param(["10.96.7.8"], False, "got 10.96.7.7", id="input-ends"),
        pytest.param([GIVE_UP], False, "got 10.96.7.7", id="given-up"),
        pytest.param(["cat shop/client", "10.96.7.7"], True, "options ndots:5", id="a-command-before-the-answer"),
        pytest.param(["cat", "10.96.7.7"], True, "usage: cat POD", id="a-wrong-command"),
    ],
)
def test_a_question(typed: list[str], passes: bool, seen: str) -> None:
    passed, shown = taken(parse(PAGE, "01-page.md"), *typed)
    assert passed is passes
    assert seen in shown
    assert shown.index("Above.") < shown.index("$ cat") < shown.index("Between.") < shown.index("Below.")
    assert "picture" not in shown


def test_commands_wait_and_a_learner_may_type_others() -> None:
    passed, shown = taken(parse(PAGE, "01-page.md"), "servers", "nonsense", "", "servers", "10.96.7.7", waits=True)
    assert passed
    assert shown.count("kube-dns 10.244.0.2 ready") == 2
    assert "nonsense" in shown.partition("! ")[2]


def test_a_learner_may_type_the_command_that_waits() -> None:
    passed, shown = taken(parse(PAGE, "01-page.md"), "cat shop/client", "10.96.7.7", waits=True)
    assert passed
    assert shown.count("options ndots:5") == 1


def test_a_question_that_the_learner_has_made_impossible_is_not_asked() -> None:
    passed, shown = taken(parse(PAGE, "01-page.md"), "break kube-dns", "", "10.96.7.7", waits=True)
    assert not passed
    assert "What belongs" not in shown
    assert "error EAI_AGAIN" in shown


@table("page", ["", "# Title\n", "*5 minutes*\n"])
def test_a_page_that_is_no_lesson(page: str) -> None:
    with pytest.raises(ValueError, match="a title and its minutes"):
        parse(page, "01-page.md")


@table(
    ("expected", "actual", "answer", "right"),
    [
        ("got ____", "got 10.1.1.1, 10.1.1.2", "10.1.1.2 10.1.1.1", True),
        ("got ____", "got 10.1.1.1, 10.1.1.2", "10.1.1.1", False),
        ("took ____ s", "took 2.5 s", "2.5 s", True),
        ("took ____ s", "took 2.5 s", "2.5s", True),
        ("took ____ s", "took 5 s", "took 5 s", True),
        ("took ____ s", "took 5 s", "s", False),
        ("____ aa", "NXDOMAIN aa", "nxdomain", True),
        ("____ aa", "NXDOMAIN aa", "NXDOMAIN or NOERROR", False),
        ("verdict ____ (...)", "verdict one-replica (coredns-node-2)", "one-replica (coredns-node-2)", True),
        ("verdict ____ (...)", "verdict one-replica (coredns-node-2)", "coredns-node-2", False),
        ("search ____ b", "search a.b b", "a.b.", True),
        ("error ____", "error EAI_AGAIN (no reply)", "EAI_AGAIN", False),
    ],
)
def test_an_answer_is_what_the_cluster_filled_in(expected: str, actual: str, answer: str, right: bool) -> None:
    assert is_right(answer, PlayedStep(Step(1, "x", (expected,)), (actual,))) is right
