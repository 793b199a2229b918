"""The Chromium that the tests of the page drive; nothing of it is bundled."""

import shutil
from typing import Final

# The first draws the same pages for a third of the processor time: it has no window around them.
NAMES: Final = ("chromium-headless-shell", "chromium", "chromium-browser")
CHROMIUM: Final = next(filter(None, map(shutil.which, NAMES)), None)
NO_CHROMIUM: Final = "no Chromium; `apt-get install chromium-headless-shell` brings it"
