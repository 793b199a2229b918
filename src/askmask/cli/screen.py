"""Where commands print: names as they are, whatever they hold and whatever the terminal can show.

Names of images, classes and folders come from people and from other programs. Here, and nowhere
else, what they hold is kept from being read as an instruction: as markup (``tumour [core]``), as a
picture's name (``:smile:``), or by the terminal (an escape sequence).
"""

import io
import logging
import shlex
import sys
import time
import unicodedata
from typing import Any

from rich.console import Console
from rich.text import Text

from askmask.progress import Listener, Progress

_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that change the direction of what follows: a name could turn the rest of its line."""

_DOING = {
    "train": "training",
    "ask": "scoring",
    "evaluate": "evaluating",
    "calibrate": "recalibrating",
    "predict": "predicting",
}


def visible(text: str) -> str:
    r"""Text without characters that steer a terminal: they become escapes that can be read.

    Examples
    --------
    >>> print(visible("slide\x1b[2J 7"))
    slide\x1b[2J 7
    """
    if text.isprintable():
        return text
    return "".join(
        c.encode("unicode_escape").decode("ascii") if _steers(c) else c  # a line break stays one
        for c in text
    )


def _steers(character: str) -> bool:
    is_control = unicodedata.category(character) == "Cc" and character not in "\n\t"
    return is_control or character in _TURNING


class Screen(Console):
    """A console that prints strings as they are: no markup, no emoji names, no control characters.

    Parameters
    ----------
    stderr : bool
        Whether to print to stderr.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:  # Any: rich's own options
        """Turn a string into text, for `print` and for the cells and titles of tables."""
        return super().render_str(visible(text), **options)

    def say(self, text: str) -> None:
        """Print a line that is never broken: with a path or a command to be copied."""
        self.print(text, soft_wrap=True, highlight=False)


class VisibleFormatter(logging.Formatter):
    """Formats log messages such that no name in them steers the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record."""
        return visible(super().format(record))


def command(*words: object) -> str:
    """A command as it can be pasted into a shell.

    Examples
    --------
    >>> command("train", "my slides")
    "askmask train 'my slides'"
    """
    return shlex.join(["askmask", *map(str, words)])


def show_any_name() -> None:
    """Let stdout and stderr take characters that their encoding lacks, as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


_LOADED_AT = time.perf_counter()


class Clock:
    """Tells where a command spent its time, from the start of the program on."""

    def __init__(self) -> None:
        self._mark = _LOADED_AT
        self._spent: dict[str, float] = {}

    def lap(self, doing: str) -> None:
        """Count the time since the last lap as spent on something."""
        now = time.perf_counter()
        self._spent[doing] = self._spent.get(doing, 0.0) + now - self._mark
        self._mark = now

    def listening(self, listener: Listener) -> Listener:
        """Wrap a listener such that the time between reports counts as spent on their phase."""

        def report(progress: Progress) -> None:
            self.lap(_DOING[progress.phase])
            listener(progress)

        return report

    def words(self) -> str:
        """Seconds by what they were spent on, in the order of their first laps.

        Examples
        --------
        >>> clock = Clock()
        >>> clock._spent = {"loading": 4.2, "training": 11.04, "saving": 0.01}
        >>> clock.words()
        'Time: loading 4.2 s, training 11.0 s, saving 0.0 s.'
        """
        parts = [f"{doing} {seconds:.1f} s" for doing, seconds in self._spent.items()]
        return f"Time: {', '.join(parts)}."
