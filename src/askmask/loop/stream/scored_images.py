"""Where a look gets its scored images from: made here when they are taken, or by jobs elsewhere."""

import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32

from askmask.loop.ask import PoolScores
from askmask.loop.elsewhere.scoring import PoolElsewhere, Scored, ToScore
from askmask.query.strategies import ScoredImage

MOST_WAITING: Final = 256
"""So many images that were scored elsewhere wait to be taken at most."""
_PUT_SECONDS: Final = 0.5  # an end is noticed this late

Available = Callable[[str], Bool[np.ndarray, "H W"]]
"""Pixels of an image that may be asked, as they are now."""
_Come = tuple[ToScore, Scored | None] | Exception


@runtime_checkable
class ScoredImages(Protocol):
    """Scored images in the order of a look, each taken once."""

    def is_ready(self, seconds: float = 0.0) -> bool:
        """Whether `take` would not wait; waits for it so long itself."""
        ...

    def take(self, image_id: str) -> tuple[ScoredImage, Float32[np.ndarray, "K H W"] | None] | None:
        """Return the next image and its score maps, if they are at hand.

        Returns
        -------
        pair or None
            None if the image has no place to ask.

        Raises
        ------
        AskmaskError
            If it cannot be scored; it stays the next one.
        """
        ...

    def end(self) -> None:
        """Begin nothing more."""
        ...


class ImagesHere:
    """Images that this process scores when they are taken; see `ScoredImages`."""

    def __init__(self, pool: PoolScores, available: Available) -> None:
        self._pool = pool
        self._available = available

    def is_ready(self, seconds: float = 0.0) -> bool:  # noqa: ARG002 - nothing is waited for
        """Whether `take` would not wait: it never does."""
        return True

    def take(self, image_id: str) -> tuple[ScoredImage, Float32[np.ndarray, "K H W"] | None] | None:
        """Score an image."""
        return self._pool.score(image_id, self._available(image_id))

    def end(self) -> None:
        """Begin nothing more; nothing was."""


class ImagesElsewhere:
    """Images that jobs score while this process does other things; see `ScoredImages`.

    A thread sends the jobs and receives what they find. After a failure the next call of `is_ready`
    or `take` begins again, with the image that failed.

    Parameters
    ----------
    pool : PoolElsewhere
        Who scores.
    order : sequence of str
        Images as they will be taken.
    available : callable
        Called in the thread when the job of an image is sent.
    """

    def __init__(self, pool: PoolElsewhere, order: Sequence[str], available: Available) -> None:
        self._pool = pool
        self._order = order
        self._available = available
        self._taken = 0
        self._next: _Come | None = None
        self._stream: _Stream | None = None

    def is_ready(self, seconds: float = 0.0) -> bool:
        """Whether the next image has come; waits for it so long."""
        if self._next is None:
            if self._stream is None:
                left = self._order[self._taken :]
                self._stream = _Stream(self._pool, left, self._available)
            self._next = self._stream.get(seconds)
        return self._next is not None

    def take(self, image_id: str) -> tuple[ScoredImage, Float32[np.ndarray, "K H W"] | None] | None:
        """Count the next image in when it has come; its maps are not at hand."""
        while not self.is_ready(1.0):
            pass
        come, self._next = self._next, None
        if isinstance(come, Exception):
            self.end()
            raise come
        assert come is not None, "it is ready"
        piece, found = come
        assert piece.image_id == image_id, "images are taken in the order that was given"
        self._taken += 1
        return None if found is None else (self._pool.taken(piece, found), None)

    def end(self) -> None:
        """Let no more jobs be sent; nobody waits for those that run."""
        if self._stream is not None:
            self._stream.ended.set()
        self._stream = None


class _Stream:
    """A thread that works through images, and the line of those that have come."""

    def __init__(self, pool: PoolElsewhere, image_ids: Sequence[str], available: Available) -> None:
        self.ended = threading.Event()
        self._come: queue.Queue[_Come] = queue.Queue(MOST_WAITING)
        work = threading.Thread(
            target=self._work, args=(pool, image_ids, available), name="look", daemon=True
        )
        work.start()

    def get(self, seconds: float) -> _Come | None:
        """What came next; None if nothing has within the time."""
        try:
            return self._come.get(timeout=seconds) if seconds > 0 else self._come.get_nowait()
        except queue.Empty:
            return None

    def _work(self, pool: PoolElsewhere, image_ids: Sequence[str], available: Available) -> None:
        def is_wanted() -> bool:
            return not self.ended.is_set()

        try:
            with closing(pool.stream(image_ids, available, is_wanted)) as images:
                for image in images:
                    self._put(image)
        except Exception as error:  # it is raised where the image is taken
            self._put(error)

    def _put(self, come: _Come) -> None:
        while not self.ended.is_set():
            try:
                self._come.put(come, timeout=_PUT_SECONDS)
            except queue.Full:
                continue
            return
