"""The card of a project's model: what it learned from, how good it is, and how to use it.

Read from the store; nothing is computed by a model here.
"""

import math
import shlex
from collections.abc import Iterable
from typing import Final

from askmask.data.prepared import PreparedSource
from askmask.loop.project import Project
from askmask.metrics.coverage import means_cover, objects_are
from askmask.records import MetricRow
from askmask.serve.start.messages import CardReply
from askmask.store.store import TrainingRecord

_ALL: Final = "all"
_SCORES: Final = (
    ("mean_dice", "Overlap with the truth, 1 is perfect (mean Dice)"),
    ("mean_iou", "The same, counted more strictly (mean IoU)"),
    ("object_f1", "Objects found and not invented, 1 is perfect (object F1)"),
)
_SPLITS: Final = {
    "validation": "images kept for validation",
    "test": "test images, which played no part in training",
}
Fact = tuple[str, str]


def card_of(project: Project) -> CardReply:
    """What is to be known of a project's newest model."""
    training = project.newest_training()
    rows = () if training is None else project.store.metrics(training.round)
    facts = [*_data(project), *_model(project, training), *_scores(project, rows)]
    facts += _calibration(rows)
    commands = _commands(project) if training is not None else []
    name, folder = project.config.name, str(project.root.resolve())
    colours = project.config.serve.colours
    return CardReply(
        name=name,
        folder=folder,
        classes=[
            {"name": each, "colour": colours.get(each, "")} for each in project.source.classes.names
        ],
        facts=facts,
        commands=commands,
        text=_text(name, facts, commands),
    )


def _data(project: Project) -> list[Fact]:
    store, source = project.store, project.source
    labelled = list(store.labelled_images())
    pixels = store.labelled_pixels()
    share = pixels / max(project.pool_pixels, 1)
    facts = [
        ("Classes", ", ".join(source.classes.names)),
        ("Images", f"{len(project.images)}, of which {len(labelled)} have labels to learn from"),
        ("Labelled", f"{pixels:,} pixels, {share:.1%} of the images that may be asked about"),
    ]
    people = [f"{name} ({count})" for name, count, _ in store.worklist.people()]
    if people:
        facts.append(("Answered by", ", ".join(people)))
    if isinstance(source, PreparedSource):
        facts.append(("Made from", source.made_from))
    return facts


def _model(project: Project, training: TrainingRecord | None) -> list[Fact]:
    if training is None:
        return [("Model", "none yet: it is trained while somebody labels")]
    config = project.config
    words = f"round {training.round}, network {config.model.name}, trained at {training.started_at}"
    return [("Model", f"{words}: {training.steps} steps in {training.elapsed_seconds:.0f} s")]


def _scores(project: Project, rows: Iterable[MetricRow]) -> list[Fact]:
    facts: list[Fact] = []
    listed = list(rows)
    for split, what in _SPLITS.items():
        of_split = [row for row in listed if row.split == split]
        values = _values(of_split)
        if not values:
            continue
        chose = split == "validation" and project.config.training.keep == "best"
        words = what + (", which also chose among the model's weights" if chose else "")
        facts.append((f"Judged on the {split} images", f"{_images(project, split)} {words}"))
        facts += [(told, f"{values[key]:.3f}") for key, told in _SCORES if key in values]
        facts += [
            (f"Overlap, {row.class_name} (Dice)", f"{row.value:.3f}")
            for row in of_split
            if (row.metric, row.group) == ("dice", _ALL) and not math.isnan(row.value)
        ]
    evaluation, names = project.config.evaluation, project.source.classes.names
    if not facts:
        none = "nothing is kept apart to measure with, so nobody knows how good the model is"
        return [("Score", none)]
    facts.append(
        ("What a mean covers", means_cover(names, has_background=evaluation.has_background))
    )
    objects = objects_are((row.metric for row in listed), evaluation.min_object_pixels)
    return facts if objects is None else [*facts, ("What an object is", objects)]


def _images(project: Project, split: str) -> int:
    roles = project.roles
    return len(roles.validation if split == "validation" else roles.test)


def _calibration(rows: Iterable[MetricRow]) -> list[Fact]:
    values = _values(row for row in rows if row.split == "validation")
    before, after = values.get("ece"), values.get("recalibrated_ece")
    if before is None:
        return []
    words = f"off by {100 * before:.1f} points on average (expected calibration error)"
    if after is None:
        return [("Confidence", f"{words}; it is not recalibrated")]
    return [("Confidence", f"{words}, {100 * after:.1f} points after recalibration")]


def _values(rows: Iterable[MetricRow]) -> dict[str, float]:
    """Values over all groups and classes, by metric; what was not measured is left out."""
    return {
        row.metric: row.value
        for row in rows
        if (row.group, row.class_name, row.bin) == (_ALL, _ALL, None) and not math.isnan(row.value)
    }


def _commands(project: Project) -> list[str]:
    root = str(project.root.resolve())
    return [
        shlex.join(["askmask", "predict", root, "new_images", "predicted"]),
        shlex.join(["askmask", "report", root]),
    ]


def _text(name: str, facts: list[Fact], commands: list[str]) -> str:
    """The card as a Markdown page."""
    lines = [f"# Model of {name}", "", *(f"- {key}: {value}" for key, value in facts)]
    if commands:
        lines += ["", "Use it:", "", *(f"    {command}" for command in commands)]
    lines += ["", "The scores hold for images like those of this project, and for no others.", ""]
    return "\n".join(lines)
