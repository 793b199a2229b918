"""How a fitted model stands against the one before, on images that neither has learned from.

The judgement is for people who want the better of two models in use. It never leads to another
training: a result that disappoints is kept, and told in words.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from askmask.loop.project import Project
from askmask.metrics.evaluation import ALL, Evaluation
from askmask.models.contract import Model
from askmask.records import ClassMap, Mask
from askmask.sampling.judge import judge_of
from askmask.seeds import derive_key

MOST_IMAGES: Final = 8
"""So many images are judged on; always the same ones, so that models compare."""
LOSS_ROOM: Final = 1.1
DICE_ROOM: Final = 0.03
"""A loss up to a tenth higher and a mean Dice up to 0.03 lower are within what trainings on more
labels differ by when two images are judged on (docs/decisions/0071-the-model-in-use.md)."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a model does.

    Attributes
    ----------
    loss : float
        NLL on the validation images, nats per pixel; NaN without such images.
    mean_dice : float
        On the same images; NaN without them.
    only_class : int or None
        The class that it gives every pixel, if it does so although several were labelled.
    """

    loss: float
    mean_dice: float
    only_class: int | None


def standing(
    project: Project, networks: Sequence[Model], *, round: int, n_views: int | None = None
) -> Standing:
    """Judge networks on the validation images, or without such look at labelled ones.

    Parameters
    ----------
    project : Project
        Its validation images are judged on, at most `MOST_IMAGES` of them.
    networks : sequence of Model
        A model, or the members of an ensemble, in eval mode.
    round : int
        Key of the draws, if models are judged by samples.
    n_views : int, optional
        Views of each image; by default as many as the config has.
    """
    judge, source = judge_of(project.config, networks, n_views=n_views), project.source
    settings = project.config.evaluation.model_copy(update={"objects": False})
    scores = Evaluation(source.classes, settings, "validation")
    given: set[int] = set()
    labelled: set[int] = set()
    for image_id, mask in _known(project):
        image = source.read_image(image_id)
        predicted = judge.predict(
            image, seed=project.config.seed, round=round, image_id=image_id, boundary=False
        )
        probs = predicted.sums.mean_probs.float().cpu().numpy()
        scores.update(None, probs, None, mask)
        given |= set(np.unique(probs.argmax(0)).tolist())
        labelled |= set(np.unique(mask.labels[mask.labelled]).tolist())
    only = next(iter(given)) if len(given) == 1 and len(labelled) > 1 else None
    if not project.roles.validation:
        return Standing(math.nan, math.nan, only)
    rows = {r.metric: r.value for r in scores.rows() if (r.group, r.class_name) == (ALL, ALL)}
    return Standing(rows["nll"], rows["mean_dice"], only)


def validation_loss(project: Project, round: int) -> Callable[[Model], float] | None:
    """Loss of a model on the validation images; None if there are none."""
    if not project.roles.validation:
        return None
    # a training asks again and again, and only to compare its own weights: one view will do
    return lambda model: standing(project, [model], round=round, n_views=1).loss


def objection(new: Standing, before: Standing | None, classes: ClassMap) -> str | None:
    """Why the model before should stay in use; None if the new one may be used.

    Worse is what is clearly worse by both its loss and its mean Dice. Where the two disagree, or
    differ by no more than chance, neither model is known to be better, and the newer one has seen
    more labels.
    """
    if new.only_class is not None and (before is None or before.only_class is None):
        return f"it gives every pixel the class {classes.names[new.only_class]!r}"
    if before is None or not (
        new.loss > LOSS_ROOM * before.loss and new.mean_dice < before.mean_dice - DICE_ROOM
    ):
        return None  # also where there is nothing to compare: NaN is neither more nor less
    return (
        f"on the validation images its mean Dice is {new.mean_dice:.3f} and its loss "
        f"{new.loss:.3f}, worse than {before.mean_dice:.3f} and {before.loss:.3f} of the model "
        "before"
    )


def _known(project: Project) -> list[tuple[str, Mask]]:
    """Validation images with their masks, or labelled images where there are none."""
    if project.roles.validation:
        ids = sorted(project.roles.validation, key=lambda name: derive_key(0, "guard", name))
        masks = ((image_id, project.truth(image_id)) for image_id in ids[:MOST_IMAGES])
        return [(image_id, mask) for image_id, mask in masks if mask is not None]
    ids = sorted(project.store.labelled_images())[:MOST_IMAGES]
    return [(image_id, project.store.labelled(image_id)) for image_id in ids]
