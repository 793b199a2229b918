"""A finished training becomes the model in use, or is put aside for the one before."""

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from askmask.loop.in_use.standing import objection, standing
from askmask.loop.project import Project
from askmask.loop.round_model import build_network
from askmask.models.contract import Model
from askmask.models.weights import load_model_weights
from askmask.store.store import TrainingRecord
from askmask.whole_files import flush

_log = logging.getLogger(__name__)


def take_up(
    project: Project, record: TrainingRecord, candidates: Sequence[Path], *, before: int | None
) -> TrainingRecord:
    """Put a finished model, or the one before, into use, and record it; may be repeated.

    Parameters
    ----------
    project : Project
        Open.
    record : TrainingRecord
        Of the training, not in the store yet.
    candidates : sequence of Path
        The weights, one file per member; removed at the end if they wait beside their place.
    before : int or None
        Round whose model is in use until now.

    Returns
    -------
    TrainingRecord
        Of the model that is in use now, with the reason if that is another one or a doubtful one.
    """
    places = project.model_paths(record.round)
    against = _objection(project, record.round, candidates, before)
    records, source = [replace(record, reason=against)], candidates
    if against is not None and before is not None:
        aside = [path.with_suffix(".aside.safetensors") for path in places]
        _link(candidates, aside)
        source = project.model_paths(before)
        reason = f"the model of round {before} stays in use, because of the one after it: {against}"
        records = [
            replace(record, status="failed", model=aside[0].name, reason=against),
            replace(record, reason=reason, steps=0, loss=math.nan, elapsed_seconds=0.0),
        ]
    _link(source, places)
    project.store.add_training(*records)
    for candidate, place in zip(candidates, places, strict=True):
        if candidate != place:
            candidate.unlink(missing_ok=True)
    if against is not None:
        _log.warning("round %d: %s", record.round, records[-1].reason)
    return records[-1]


def _objection(
    project: Project, round: int, candidates: Sequence[Path], before: int | None
) -> str | None:
    """Why the model before should stay in use, if the config asks for that judgement."""
    if not project.config.training.keep_better:
        return None
    new = standing(project, _networks(project, candidates), round=round)
    old = None
    if before is not None:
        old = standing(project, _networks(project, project.model_paths(before)), round=round)
        if project.knows_validation(before):
            old = replace(old, loss=math.nan, mean_dice=math.nan)
    return objection(new, old, project.source.classes)


def _networks(project: Project, paths: Sequence[Path]) -> list[Model]:
    networks = []
    for path in paths:
        model = build_network(project.source, project.config, 0, pretrained=False)
        load_model_weights(model, path)
        networks.append(model.to(project.device).eval())
    return networks


def _link(sources: Sequence[Path], targets: Sequence[Path]) -> None:
    """Make each target the same file as its source, whole at any moment; nothing if it is."""
    for source, target in zip(sources, targets, strict=True):
        if source == target:
            continue
        unfinished = target.with_suffix(".linked")
        unfinished.unlink(missing_ok=True)
        unfinished.hardlink_to(source)
        unfinished.replace(target)
        unfinished.unlink(missing_ok=True)  # replacing a file by itself leaves both names
        flush(target.parent)
