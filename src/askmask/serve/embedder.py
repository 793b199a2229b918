"""Pictures of regions made ready for the box and click assistant, before somebody needs them.

The worker calls this between two steps of its other work: one picture a call, those of regions in
hand first. What is made lies on disk, where the server finds it by the picture's own pixels.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from askmask.assist.prompted.assistant import kept_embeddings
from askmask.assist.prompted.embeddings import KeptEmbeddings
from askmask.assist.prompted.frame import LARGEST_PIXELS, window_of
from askmask.assist.prompted.weights import PictureEncoder, open_encoder
from askmask.data.image_parts import Pyramid, Stamp, stamp
from askmask.data.source import Pixels
from askmask.errors import AskmaskError, ConfigError, SourceError, disk_problem
from askmask.loop.project import Project
from askmask.records import Region
from askmask.store.item_lists import Chosen

AHEAD: Final = 6
"""Pictures of so many regions after each one in hand: a page fetches four of them."""
FACT: Final = "assistant_problem"
"""Fact of the store: why no picture is made ready; the empty text while nothing hinders it."""
REST_SECONDS: Final = 60.0
"""How long nothing is tried after a picture could not be made or kept."""
LOOK_SECONDS: Final = 5.0
"""How often files are looked for again though nothing happened: one may have been removed."""
_MOST_NAMES: Final = 4096
_PEOPLE: Final = 20

_Picture = tuple[Region, Stamp | None]
"""A window, and the file as it was."""

_log = logging.getLogger(__name__)


class Embedder:
    """Makes the embeddings of one project's regions; does nothing without an assistant.

    Parameters
    ----------
    project : Project
        Open; stays the caller's.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._settings = project.config.assist
        self._kept: KeptEmbeddings | None = None
        if self._settings.encoder is not None:
            self._kept = kept_embeddings(self._settings, project.root)
            self._tell("")
        self._encoder: PictureEncoder | None = None
        self._pyramid: Pyramid | None = None
        self._names: OrderedDict[_Picture, str] = OrderedDict()
        self._unreadable: set[_Picture] = set()
        self._room: int | None = None
        self._rests_until = 0.0
        self._found_nothing: dict[bool, tuple[int, float]] = {}

    def serve_hands(self) -> bool:
        """Make the picture of one region ready that somebody holds; return whether there was one.

        Not of one that is ready: a call then costs a small look into the store.
        """
        return self._embed_one(is_held=True)

    def look_ahead(self) -> bool:
        """Make the picture of one of the regions ready that come next; whether there was one."""
        return self._embed_one(is_held=False)

    def _embed_one(self, *, is_held: bool) -> bool:
        kept, now = self._kept, time.monotonic()
        if kept is None or now < self._rests_until:
            return False
        newest = self._project.store.control.newest_event()
        looked = self._found_nothing.get(is_held)
        if looked is not None and looked[0] == newest and now < looked[1] + LOOK_SECONDS:
            return False
        window = next(self._missing(kept, is_held=is_held), None)
        if window is None:
            self._found_nothing[is_held] = newest, now
            self._pyramid = None  # it holds decoded images
            return False
        try:
            self._embed(kept, window)
        except ConfigError as error:
            self._give_up(str(error), float("inf"))
        except OSError as error:
            self._give_up(str(disk_problem(error) or error), now + REST_SECONDS)
        except (AskmaskError, MemoryError) as error:
            self._give_up(str(error) or "too little memory", now + REST_SECONDS)
        else:
            self._tell("")
        return True

    def _missing(self, kept: KeptEmbeddings, *, is_held: bool) -> Iterator[Region]:
        """Windows without an embedding; no more of them than have room."""
        windows: OrderedDict[Region, None] = OrderedDict()
        for region in self._regions(is_held=is_held):
            image = self._project.images.get(region.image_id)
            if image is not None and region.pixels <= LARGEST_PIXELS:
                windows[window_of(region, image)] = None
        for window in list(windows)[: self._room]:
            name = self._name(kept, window)
            if name is not None and not kept.has(name):
                yield window

    def _regions(self, *, is_held: bool) -> Iterator[Region]:
        """Regions in hand, and with `is_held` false those that come after each of them, too."""
        worklist = self._project.store.worklist
        held = worklist.held()[:_PEOPLE]
        yield from (item.item.region for item in held)
        if is_held:
            return
        for place in [(item.round, item.item.rank) for item in held] or [(0, 0)]:
            coming = worklist.window(Chosen(state="open"), at=place, limit=AHEAD + 1)
            yield from (item.item.region for item in coming.items)

    def _name(self, kept: KeptEmbeddings, window: Region) -> str | None:
        """Name of a window's embedding; None if its image cannot be read as it is now."""
        picture = window, stamp(self._project.source, window.image_id)
        if picture in self._unreadable:
            return None
        if picture not in self._names:
            try:
                self._names[picture] = kept.name(self._pixels(window))
            except SourceError as error:
                _log.warning("%s", error)  # the server says so to who opens it
                self._unreadable.add(picture)
                return None
            if len(self._names) > _MOST_NAMES:
                self._names.popitem(last=False)
        return self._names[picture]

    def _embed(self, kept: KeptEmbeddings, window: Region) -> None:
        if self._encoder is None:
            self._encoder = open_encoder(self._settings, self._project.config.threads)
        pixels = self._pixels(window)
        embedding = self._encoder.embed(pixels)
        kept.keep(kept.name(pixels), embedding)
        self._room = kept.room(embedding)

    def _pixels(self, window: Region) -> Pixels:
        if self._pyramid is None:
            self._pyramid = Pyramid(self._project.source)
        return self._pyramid.shrunk(window, 1)

    def _give_up(self, problem: str, until: float) -> None:
        self._rests_until = until
        _log.warning("the box and click assistant makes nothing ready: %s", problem)
        self._tell(problem)

    def _tell(self, problem: str) -> None:
        control = self._project.store.control
        if (control.fact(FACT) or "") != problem:
            control.tell_fact(FACT, problem)
