"""The pictures of the README: the path of a query, and the recording of commands."""

import re
from xml.etree import ElementTree

from tests import path_picture, recording

LINES = ["10.96.0.1  a < b & c", *map(str, range(40))]


def test_the_picture_of_the_path_is_what_the_code_draws() -> None:
    assert path_picture.PICTURE.read_text() == path_picture.drawn(), "python -m tests.path_picture"


def test_a_table_that_is_too_wide_loses_whole_columns() -> None:
    head, row = (f"{cell:9}" * 14 for cell in ("column", "1.5 %"))  # the last one that begins in the window is cut
    assert recording.fitting(head) == f"{'column':9}" * 11 + "column  ..."
    assert recording.fitting(row) == f"{'1.5 %':9}" * 11 + "1.5 %  ..."
    assert recording.fitting("short") == "short"


def test_a_recording_shows_every_command_and_its_output_in_time() -> None:
    runs = [(scene, LINES) for scene in recording.SCENES]
    tree = ElementTree.fromstring(recording.drawn(runs))
    shown = ["".join(each.itertext()) for each in tree.iter("{http://www.w3.org/2000/svg}text")]
    for scene in recording.SCENES:
        assert f"$ {scene.command}" in shown
    assert shown.count(LINES[0]) == len(recording.SCENES)
    for screen in recording.screens(runs):
        assert screen.start <= min(at for at, *_ in screen.lines)
        assert max(at for at, *_ in screen.lines) < screen.end <= recording.SECONDS
        assert len(screen.lines) <= recording.ROWS


def test_the_recording_in_the_docs_is_of_these_commands() -> None:
    text = recording.PICTURE.read_text()
    for scene in recording.SCENES:
        assert f"$ {scene.command}" in text
    assert not re.search(r"https?://(?!www\.w3\.org)[^1]", text), "it loads something"
