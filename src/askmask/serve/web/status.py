"""What the status page shows, read from the store: nothing is computed by a model here."""

import math
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from askmask.metrics.coverage import BY_RULE, means_cover, objects_are, rule_of
from askmask.metrics.meanings import meaning_of
from askmask.records import MetricRow
from askmask.serve.web.desk import Desk
from askmask.serve.web.forecast import MOST_REGIONS, STEP, WORTH, forecast
from askmask.store.store import RoundCost, Store, TrainingRecord
from askmask.store.work_records import ItemState, Totals

Tree = dict[str, Any]  # Any: what JSON holds

SHOWN: Final = ("mean_dice", "mean_iou", "object_f1", "nll", "brier", "ece")
RECALIBRATED: Final = "recalibrated_"
VALIDATION: Final = "validation"


def status_of(desk: Desk) -> Tree:
    """Everything that the status page shows."""
    project, store = desk.project, desk.project.store
    totals = store.worklist.totals()
    rounds = _rounds(store)
    finished = [entry for entry in rounds if entry["status"] == "finished"]
    return {
        "worker": worker_tree(store),
        "queue": _queue(desk, totals),
        "acquisitions": desk.acquisitions,
        "rounds": rounds,
        "scores_cover": _scores_cover(desk, finished),
        "curve": _curve(finished),
        "forecast": _forecast(finished),
        "changed": _changed(finished),
        "calibration": _calibration(store, finished),
        "cost": _cost(desk, totals),
        "people": [
            {"name": name, "answers": count, "seconds": seconds}
            for name, count, seconds in store.worklist.people()
        ],
        "conflicts": totals.conflicts,
        "has_validation": bool(project.roles.validation),
        "notes": _notes(desk),
    }


def worker_tree(store: Store) -> Tree:
    """What the worker does."""
    worker = store.control.worker()
    if worker is None or not worker.is_alive:
        message = "" if worker is None else worker.message
        return {
            "state": "off",
            "round": 0,
            "done": 0,
            "total": 0,
            "message": message,
            "alive": False,
            "heartbeat_at": None,
            "started_at": None,
        }
    heartbeat = datetime.fromtimestamp(worker.heartbeat, UTC).isoformat(timespec="milliseconds")
    return {
        "state": worker.state,
        "round": worker.round,
        "done": worker.done,
        "total": worker.total,
        "message": worker.message,
        "alive": True,
        "heartbeat_at": heartbeat,
        "started_at": worker.started_at,
    }


def _queue(desk: Desk, totals: Totals) -> Tree:
    store, serve = desk.project.store, desk.project.config.serve
    still_open = totals.by_state[ItemState.OPEN]
    worker = store.control.worker()
    is_asking = worker is not None and worker.is_alive and worker.state == "asking"
    ready = still_open >= serve.ahead
    given = store.answers_since_training()
    return {
        "open": still_open,
        "leased": totals.leased,
        "train_after": serve.answers_for_training(store.answers_with_labels() - given),
        "answers_since_training": given,
        "next_query": "ready" if ready else "asking" if is_asking else "waiting",
    }


def _rounds(store: Store) -> list[Tree]:
    """Every round's newest training, with cost so far and scores."""
    costs = {cost.round: cost for cost in store.costs()}
    newest = {record.round: record for record in store.trainings()}
    return [_round(store, newest[number], costs) for number in sorted(newest)]


def _round(store: Store, record: TrainingRecord, costs: dict[int, RoundCost]) -> Tree:
    so_far = [cost for number, cost in costs.items() if 0 < number <= record.round]
    pixels = store.labelled_pixels(until=record.newest_answer)
    if record.newest_answer is None:
        pixels = sum(cost.new_pixels for n, cost in costs.items() if n <= record.round)
    scores = store.metrics(record.round)
    return {
        "round": record.round,
        "status": record.status,
        "reason": record.reason,
        "steps": record.steps,
        "loss": _number(record.loss),
        "elapsed_seconds": record.elapsed_seconds,
        "started_at": record.started_at,
        "model": record.model,
        "labelled_pixels": pixels,
        "regions": sum(cost.regions for cost in so_far),
        "images": max((cost.images_so_far for cost in so_far), default=0),
        "seconds": _number(sum((cost.seconds for cost in so_far), 0.0)),
        "metrics": _metrics(scores),
        "object_rule": rule_of(row.metric for row in scores),
    }


def _scores_cover(desk: Desk, finished: Iterable[Tree]) -> Tree:
    """What the scores leave out, and by which rule an object is found: as fields and in words."""
    config, names = desk.project.config.evaluation, desk.project.source.classes.names
    rules = {entry["round"]: entry["object_rule"] for entry in finished if entry["object_rule"]}
    newest = max(rules, default=None)
    rule = config.object_rule if newest is None else rules[newest]
    metrics = [BY_RULE + rule]
    if newest is not None:
        metrics = [row.metric for row in desk.project.store.metrics(newest)]
    words = [means_cover(names, has_background=config.has_background)]
    words.append(objects_are(metrics, config.min_object_pixels) or "")
    others = [str(number) for number, other in rules.items() if other != rule]
    if others:
        words.append(
            f"Objects of round {', '.join(others)} were matched by the other rule: do not compare "
            "their object scores with later ones."
        )
    return {
        "mean_classes": list(names[config.has_background :]),
        "background": names[0] if config.has_background else None,
        "object_rule": rule,
        "min_object_pixels": config.min_object_pixels,
        "words": words,
    }


def _metrics(rows: Iterable[MetricRow]) -> Tree:
    """Scores over all strata and classes by split."""
    found: dict[str, Tree] = {}
    for row in rows:
        name = row.metric.removeprefix(RECALIBRATED)
        if name in SHOWN and _is_whole(row):
            found.setdefault(row.split, {})[row.metric] = _number(row.value)
    return found


def _curve(finished: list[Tree]) -> Tree:
    points = [
        {
            "round": entry["round"],
            "labelled_pixels": entry["labelled_pixels"],
            "regions": entry["regions"],
            "seconds": entry["seconds"],
            "values": entry["metrics"][VALIDATION],
        }
        for entry in finished
        if VALIDATION in entry["metrics"]
    ]
    names = {name for point in points for name in point["values"]}
    ordered = [name for name in SHOWN if name in names]
    return {
        "split": VALIDATION if points else None,
        "metrics": ordered,
        "meanings": {name: meaning_of(name) for name in ordered},
        "points": points,
    }


def _forecast(finished: list[Tree]) -> Tree | None:
    """How many more regions are likely worth it, by the mean Dice of the rounds so far."""
    scored = [
        (entry["regions"], entry["metrics"][VALIDATION]["mean_dice"])
        for entry in finished
        if entry["metrics"].get(VALIDATION, {}).get("mean_dice") is not None
    ]
    found = forecast([regions for regions, _ in scored], [dice for _, dice in scored])
    if found is None:
        return None
    return {**asdict(found), "step": STEP, "worth": WORTH, "most": MOST_REGIONS}


def _changed(finished: list[Tree]) -> Tree | None:
    """How the scores differ between the last two rounds that have some."""
    scored = [entry for entry in finished if VALIDATION in entry["metrics"]]
    if len(scored) < 2:
        return None
    before, after = scored[-2], scored[-1]
    old, new = before["metrics"][VALIDATION], after["metrics"][VALIDATION]
    values = {
        name: new[name] - old[name]
        for name in SHOWN
        if new.get(name) is not None and old.get(name) is not None
    }
    return {"from": before["round"], "to": after["round"], "values": values}


def _calibration(store: Store, finished: list[Tree]) -> Tree | None:
    for entry in reversed(finished):
        rows = [
            row
            for row in store.metrics(entry["round"])
            if row.split == VALIDATION and _is_whole(row, with_bins=True)
        ]
        before = _reliability(rows, "")
        if before is not None:
            after = _reliability(rows, RECALIBRATED)
            shown = {"round": entry["round"], "split": VALIDATION}
            return {**shown, "before": before, "after": after}
    return None


def _reliability(rows: list[MetricRow], prefix: str) -> Tree | None:
    scores = {row.metric: row.value for row in rows if row.bin is None}
    if f"{prefix}ece" not in scores:
        return None
    bins: dict[int, Tree] = {}
    for row in rows:
        for part in ("confidence", "accuracy"):
            if row.metric == f"{prefix}reliability_{part}" and row.bin is not None:
                entry = bins.setdefault(row.bin, {"count": row.count})
                entry[part] = _number(row.value)
    return {
        **{name: _number(scores.get(prefix + name, math.nan)) for name in ("ece", "nll", "brier")},
        "bins": [bins[number] for number in sorted(bins)],
    }


def _cost(desk: Desk, totals: Totals) -> Tree:
    store, counts = desk.project.store, totals.by_state
    measured, seconds = store.worklist.measured_time()
    return {
        "labelled_pixels": store.labelled_pixels(),
        "pool_pixels": desk.project.pool_pixels,
        "regions": counts[ItemState.LABELS],
        "seconds": seconds,
        "measured": measured,
        "unsure": counts[ItemState.UNSURE],
        "artefact": counts[ItemState.ARTEFACT],
    }


def _notes(desk: Desk) -> list[str]:
    notes = []
    if not desk.project.roles.validation:
        notes.append(
            "No image is kept for validation, so nothing tells whether the model gets better. "
            "Keep some of the labelled ones for it, under Learning curve."
        )
    trainings = desk.project.store.trainings()
    if trainings and trainings[-1].status == "finished" and trainings[-1].reason is not None:
        notes.append(f"The newest training (round {trainings[-1].round}): {trainings[-1].reason}.")
    newest = desk.project.newest_training()
    if newest is not None and not desk.project.recalibration_path(newest.round).is_file():
        notes.append(
            "Confidence is the network's own and was checked against no label: it tells which "
            "regions are surer than others, not how many pixels are right."
        )
    worker = desk.project.store.control.worker()
    if worker is not None and worker.state == "failed":
        notes.append(f"The worker stopped: {worker.message}")
    return notes


def _is_whole(row: MetricRow, *, with_bins: bool = False) -> bool:
    return (row.group, row.class_name) == ("all", "all") and (with_bins or row.bin is None)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
