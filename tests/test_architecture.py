"""ARCHITECTURE.md names every file of the tree."""

import pytest

from tests import architecture_page


@pytest.mark.slow
def test_the_index_is_that_of_the_tree() -> None:
    page = architecture_page.PAGE.read_text()
    hint = "python -m tests.architecture_page renews it"
    assert architecture_page.renewed(page) == page, hint
