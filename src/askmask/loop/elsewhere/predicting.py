"""Predict image files by jobs; masks and maps come back encoded, and are written here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from askmask.data.pictures.picture import Reading
from askmask.data.prepare.stored_files import StoredFile
from askmask.data.ranges import RangeRule
from askmask.errors import AskmaskError, SourceError
from askmask.loop.elsewhere.bench import Bench, open_bench
from askmask.loop.elsewhere.shards import in_order, in_shards
from askmask.loop.elsewhere.workplace import Elsewhere
from askmask.loop.predict import Engine, PredictedFile

_engines: Final[dict[str, Any]] = {}  # Any: the one engine of this process


@dataclass(frozen=True, slots=True)
class ToPredict:
    """An image file: where it is, and its content if that is sent."""

    place: int
    name: str
    path: Path
    given: tuple[float | None, Reading, RangeRule | None]
    content: bytes | None = None

    def read(self) -> bytes:
        """Content of the file, wherever it comes from."""
        if self.content is not None:
            return self.content
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise SourceError(
                f"expected to read it at {str(self.path)!r} on every machine, but: "
                f"{error.strerror}. Put it on a disk that all machines see, or add --send-images."
            ) from error


def predict_one(bench: Bench, piece: ToPredict) -> PredictedFile:
    """Predict one file with the model of a bench."""
    key = (bench.name, piece.given)
    if _engines.get("key") != key:
        engine = Engine(open_bench(bench).model(bench.round), *piece.given)
        _engines.update(key=key, engine=engine)
    predicted: PredictedFile = _engines["engine"].predict(StoredFile(piece.name, piece.read))
    return predicted


def predicted_by_jobs(
    engine: Engine, files: Sequence[StoredFile], elsewhere: Elsewhere
) -> Iterator[tuple[StoredFile, PredictedFile | AskmaskError]]:
    """Every file with what was predicted of it, or why nothing was, in their order."""
    pieces = [
        ToPredict(place, file.name, (file.path or Path()).absolute(), engine.given)
        for place, file in enumerate(files)
    ]

    def filled(piece: ToPredict) -> ToPredict:
        file = files[piece.place]
        is_sent = elsewhere.send_images or file.path is None
        return replace(piece, content=file.read()) if is_sent else piece

    with elsewhere.at_work(engine.model, with_facts=True) as (executor, bench):
        for item in in_order(
            in_shards(executor, predict_one, bench, pieces, filled, parts=elsewhere.parts)
        ):
            result = item.problem or item.result
            assert result is not None, "one of the two"
            yield files[item.place], result
    _engines.clear()
