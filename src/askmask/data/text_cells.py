"""Text in CSV tables that spreadsheets show and do not compute.

Names come from outside: of files, classes, groups. A spreadsheet takes a cell that begins with
``=``, ``+``, ``-`` or ``@`` for a formula, which may fetch addresses or start programs.
"""

from functools import lru_cache
from typing import Final

_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_QUOTE: Final = "'"


@lru_cache(maxsize=4096)
def text_cell(text: str) -> str:
    """Text as a cell that no spreadsheet computes: with an apostrophe before it, if need be.

    Examples
    --------
    >>> text_cell("=1+1"), text_cell("gland")
    ("'=1+1", 'gland')
    """
    bare = text.lstrip(_QUOTE)
    return f"{_QUOTE}{text}" if bare.startswith(_FORMULA_STARTS) else text


def cell_text(cell: str) -> str:
    """Text of a cell; the inverse of `text_cell`."""
    bare = cell.lstrip(_QUOTE)
    return cell[1:] if cell != bare and bare.startswith(_FORMULA_STARTS) else cell
