"""Judge a model's images by jobs; their scores are merged in the order of the images."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from askmask.data.source import Pixels
from askmask.loop.elsewhere.bench import Bench, SentSource, open_bench
from askmask.loop.elsewhere.shards import in_order, in_shards, named
from askmask.loop.elsewhere.workplace import Elsewhere
from askmask.loop.evaluate import Judges, Scores, evaluation_parts
from askmask.loop.round_model import RoundModel
from askmask.records import Mask


@dataclass(frozen=True, slots=True)
class ToJudge:
    """An image to be judged as part of a split; its pixels and its mask if they are sent."""

    split: str
    image_id: str
    pixels: Pixels | None = None
    mask: Mask | None = None


def judge_one(bench: Bench, piece: ToJudge) -> Scores:
    """Scores of one image alone."""
    project = open_bench(bench)
    if piece.pixels is not None:
        assert isinstance(project.source, SentSource), "pixels are sent with facts"
        project.source.pixels = {piece.image_id: piece.pixels}
        project.source.masks = {piece.image_id: piece.mask}
    judges = Judges(project.model(bench.round))
    scores = judges.new_scores(piece.split)
    judges.judge(scores, piece.image_id, piece.mask)
    return scores


def judged_by_jobs(model: RoundModel, elsewhere: Elsewhere) -> Iterator[Scores]:
    """Scores of every validation and test image, in the order of `evaluation_parts`.

    Added up in this order, they are the same to the last bit as without jobs.
    """
    project, now = model.project, model.project.store.kept.now()
    kept = () if now is None else now.images  # what people answered there is in this database alone
    every = ((split, image_id) for split, ids in evaluation_parts(model) for image_id in ids)
    pieces = [ToJudge(*named) for named in every]

    def filled(piece: ToJudge) -> ToJudge:
        if elsewhere.send_images:
            piece = replace(piece, pixels=project.source.read_image(piece.image_id))
        elif piece.image_id not in kept:
            return piece
        return replace(piece, mask=project.truth(piece.image_id))

    with elsewhere.at_work(model) as (executor, bench):
        for item in in_order(
            in_shards(executor, judge_one, bench, pieces, filled, parts=elsewhere.parts)
        ):
            if item.problem is not None:
                raise named(item.problem, pieces[item.place].image_id, "no score is kept")
            assert item.result is not None, "a result or a problem"
            yield item.result
