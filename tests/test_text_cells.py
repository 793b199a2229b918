"""Names in tables are shown by spreadsheets and never computed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askmask.data.text_cells import cell_text, text_cell


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'=1"])
def test_text_that_a_spreadsheet_would_compute_gets_an_apostrophe(text: str) -> None:
    assert text_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["gland", "", "a=1", "'quoted'", "図", "1-2"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert text_cell(text) == text


@given(st.text() | st.text(alphabet="'=+-@\ta", max_size=5))
def test_text_comes_back_from_its_cell_and_no_cell_is_a_formula(text: str) -> None:
    cell = text_cell(text)
    assert cell_text(cell) == text
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
