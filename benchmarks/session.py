"""A person at work for some minutes: whether anybody waits, and how good the model is meanwhile.

    python benchmarks/session.py run OUT --data data/glas-half --minutes 10 [--think 10]
    python benchmarks/session.py judge OUT [--images 16] [--forest 2 5 10]
    python benchmarks/session.py show TABLE.csv FIGURE.svg NAME=OUT ...

`run` makes a project as `askmask init` does, without any label, starts `askmask serve` with its
worker, and lets a scripted person answer over the HTTP API: a region every `--think` seconds, from
hidden masks whose edges waver as if drawn by hand (`--jitter` pixels). It notes every wait. `judge`
scores each model that came into use on images that nobody was asked about, and beside it a random
forest on classical filters (`forest.py`) that learns from the same answers at the given minutes.
`show` adds sessions to one table and one figure, with a column for each data set, which is what
a NAME begins with ("GlaS, stream"). Only `run` needs the machine for itself.
"""

import argparse
import csv
import json
import os
import platform
import shutil
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter, map_coordinates

from askmask.config import Config, with_overrides
from askmask.data.prepared import PreparedSource
from askmask.loop.begin.create import create_project
from askmask.loop.project import Project
from askmask.metrics.evaluation import ALL, Evaluation
from askmask.models.weights import load_model_weights
from askmask.records import Labels, Mask, Region
from askmask.serve.web.labels import labels_to_runs
from forest import Forest

# the server and the client of the tests, who behave as the page does
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from people import Client
from server_processes import serving

LOOK_SECONDS: Final = 0.05
WAVES: Final = 6.0
"""How far along an edge a hand wavers the same way, in pixels."""
METRICS: Final = {"mean_dice": "Dice", "object_f1": "object F1"}
BATCHES: Final = 2
LATE_SECONDS: Final = 1.0


@dataclass(slots=True)
class Turn:
    """One region: when it was wanted, had and answered, in seconds since `askmask serve`."""

    wanted: float
    had: float
    answered: float = float("nan")
    number: int = 0
    model: str | None = None
    is_filled: bool = False

    @property
    def wait(self) -> float:
        """How long the person waited for it."""
        return self.had - self.wanted


@dataclass(slots=True)
class Used:
    """A model that came into use, when, and the newest answer that it learned from."""

    file: str
    model: str
    since: float
    newest_answer: int


@dataclass(slots=True)
class Session:
    """What happened."""

    data: str
    minutes: float
    think: float
    jitter: float
    machine: str
    train_after: int
    turns: list[Turn] = field(default_factory=list)
    models: list[Used] = field(default_factory=list)


class Hand:
    """Answers from hidden masks, with edges that waver; the same region always the same way."""

    def __init__(self, source: PreparedSource, jitter: float) -> None:
        self._source = source
        self._jitter = jitter

    def labels(self, region: Region) -> Labels:
        """(h, w) labels of a region."""
        mask = self._source.read_mask(region.image_id)
        assert mask is not None, "the data set has every mask"
        true = mask.labels[region.slices]
        if self._jitter == 0:
            return true
        generator = np.random.default_rng([region.row, region.col])
        shape = (2, region.height, region.width)
        noise = gaussian_filter(generator.standard_normal(shape), (0, WAVES, WAVES))
        moved = np.indices(true.shape) + self._jitter * noise / noise.std()
        drawn: Labels = map_coordinates(true, moved, order=0, mode="nearest")
        return drawn


class Scripted(threading.Thread):
    """The scripted person, who never hurries and never rests."""

    def __init__(self, client: Client, hand: Hand, think: float, began: float) -> None:
        super().__init__(daemon=True)
        self._client, self._hand, self._think = client, hand, think
        self._began = began
        self.until = threading.Event()
        self.turns: list[Turn] = []

    def run(self) -> None:
        """Take the next region, answer it when the time has come, and so on."""
        after = None
        while not self.until.is_set():
            item, turn = self._next(after)
            if item is None:
                return
            after = {"round": item["round"], "rank": item["rank"]}
            self.until.wait(self._think)
            region = Region(
                item["image_id"], item["row"], item["col"], item["height"], item["width"]
            )
            body = {
                "id": f"scripted-{len(self.turns):06d}",
                "kind": "labels",
                "runs": labels_to_runs(self._hand.labels(region)),
                "seconds": self._think,
                "tool": "brush",
                "base": None,
            }
            path = f"/items/{item['round']}/{item['rank']}/answers"
            turn.number = self._send(path, body)
            turn.answered = self._now()

    def _send(self, path: str, body: dict[str, Any]) -> int:
        """Send an answer until it is acknowledged, as the page does; return its number."""
        while True:
            status, reply = self._client.ask("POST", path, body)
            if status in {200, 201}:
                return int(reply["answer"]["number"])
            assert status in {0, 503}, (status, reply)
            time.sleep(LOOK_SECONDS)

    def _next(self, after: object) -> tuple[dict[str, Any] | None, Turn]:
        turn = Turn(self._now(), float("nan"))
        self.turns.append(turn)
        while not self.until.is_set():
            status, item = self._client.ask("POST", "/items/next", {"after": after})
            if status == 200:
                turn.had = self._now()
                turn.model = item["model"]
                turn.is_filled = item["prefill"]["from"] == "prediction"
                return item, turn
            self.until.wait(LOOK_SECONDS)
        turn.had = self._now()  # it waits still
        return None, turn

    def _now(self) -> float:
        return time.monotonic() - self._began


def run(options: argparse.Namespace) -> None:
    """Make a project, serve it, work for some minutes, and write down what happened."""
    out, root = options.out, options.out / "project"
    source = PreparedSource(options.data)
    held = held_out(source)
    split = {info.image_id: info.split for info in source.images()}
    left_out = [name for name in held if split[name] == "train"]
    settings = ["data.start=none", "data.test=[]", f"data.leave_out={json.dumps(left_out)}"]
    create_project(root, dataset=options.data, overrides=[*settings, *options.set])
    with Project.open(root) as project:
        train_after = project.config.serve.train_after
    session = Session(
        options.data.name, options.minutes, options.think, options.jitter,
        f"{os.cpu_count()} cores, {platform.machine()}", train_after,
    )  # fmt: skip
    started = time.monotonic()
    with serving(root) as server, Project.open(root) as project:
        hand = Hand(source, options.jitter)
        person = Scripted(Client("Scripted", server.port), hand, options.think, started)
        person.start()
        while time.monotonic() - started < 60 * options.minutes:
            note_model(session, project, out, time.monotonic() - started)
            time.sleep(0.5)
        person.until.set()
        person.join(timeout=60)
        session.turns = person.turns
    (out / "session.json").write_text(json.dumps(asdict(session), indent=1), encoding="utf-8")
    for name, value in told(session).items():
        print(f"{name:40} {value}")


def note_model(session: Session, project: Project, out: Path, now: float) -> None:
    """Keep a copy of a model that came into use: its file may be written anew."""
    newest = project.newest_training()
    known = session.models[-1] if session.models else None
    read = None if newest is None else newest.newest_answer or 0
    if newest is None or (known is not None and known.newest_answer == read):
        return
    copy = out / "models" / f"{len(session.models):03d}.safetensors"
    copy.parent.mkdir(exist_ok=True)
    shutil.copy(project.model_path(newest.round), copy)
    name = project.model_path(newest.round).name
    session.models.append(Used(copy.name, name, now, read or 0))


def held_out(source: PreparedSource) -> list[str]:
    """Images to judge on: the test splits, or without such the last third."""
    known = [info for info in source.images() if info.has_mask]
    tests = [info.image_id for info in known if info.split != "train"]
    return tests or [info.image_id for info in known[-(len(known) // 3) :]]


def told(session: Session) -> dict[str, object]:
    """What a person would say of it."""
    answered = [turn for turn in session.turns if turn.number]
    waits = [turn.wait for turn in session.turns]
    later = waits[1:]
    ages = [age(session, turn) for turn in answered if turn.is_filled]
    fresh = sum(a is not None and a <= BATCHES * session.train_after for a in ages)
    return {
        "minutes": session.minutes,
        "answers": len(answered),
        "first region after, s": round(waits[0], 1),
        f"later waits over {LATE_SECONDS:.0f} s": sum(wait > LATE_SECONDS for wait in later),
        "longest later wait, s": round(max(later, default=0.0), 2),
        "waited in all, s": round(sum(waits), 1),
        "models": len(session.models),
        "first model after, s": round(session.models[0].since, 1) if session.models else None,
        "share of answers with a prediction": round(len(ages) / max(len(answered), 1), 3),
        "... of a model at most two batches old": round(fresh / max(len(answered), 1), 3),
    }


def age(session: Session, turn: Turn) -> int | None:
    """Answers given between those that the model of a region knew and the region's own opening."""
    known = [m for m in session.models if m.model == turn.model and m.since <= turn.had + 5]
    if not known:
        return None
    given = [t.number for t in session.turns if t.number and t.answered <= turn.had]
    return sum(number > known[-1].newest_answer for number in given)


@dataclass(frozen=True, slots=True)
class Score:
    """One row of the table."""

    session: str
    arm: str
    minute: float
    answers: int
    mean_dice: float
    object_f1: float


def judge(options: argparse.Namespace) -> None:
    """Score the models of a session, and forests on the same answers."""
    tree = json.loads((options.out / "session.json").read_text(encoding="utf-8"))
    turns = [Turn(**turn) for turn in tree.pop("turns")]
    models = [Used(**used) for used in tree.pop("models")]
    with Project.open(options.out / "project") as project:
        source = project.source
        assert isinstance(source, PreparedSource)
        held = held_out(source)
        images = held[:: max(1, len(held) // options.images)][: options.images]
        rows = []
        for used in chosen(models, options.most):
            answers = sum(0 < turn.number <= used.newest_answer for turn in turns)
            scores = score_model(project, options.out / "models" / used.file, images)
            rows.append(Score("", "model in use", round(used.since / 60, 2), answers, *scores))
            print(rows[-1], flush=True)
        for minute in options.forest:
            number = max((t.number for t in turns if t.answered <= 60 * minute), default=0)
            answers = sum(0 < turn.number <= number for turn in turns)
            if answers:
                scores = score_forest(project, number, images)
                rows.append(Score("", "random forest", minute, answers, *scores))
                print(rows[-1], flush=True)
    write(options.out / "scores.csv", rows)


def chosen(models: list[Used], most: int) -> list[Used]:
    """At most so many models, the first and the last among them."""
    places = np.unique(np.linspace(0, len(models) - 1, min(most, len(models))).astype(int))
    return [models[place] for place in places] if models else []


def score_model(project: Project, path: Path, images: Iterable[str]) -> tuple[float, float]:
    """Mean Dice and object F1 without sampling, by the project's views of an image."""
    from askmask.loop.round_model import build_network
    from askmask.sampling.judge import judge_of

    config: Config = with_overrides(project.config, {"evaluation.samples": 0})
    network = build_network(project.source, config, 0, pretrained=False)
    load_model_weights(network, path)
    predictor = judge_of(config, [network.eval()])
    return scored(
        project,
        images,
        lambda image, name: (
            predictor.predict(image, seed=0, round=0, image_id=name, boundary=False)
            .sums.mean_probs.float()
            .numpy()
        ),
    )


def score_forest(project: Project, number: int, images: Iterable[str]) -> tuple[float, float]:
    """The same of a forest on the answers up to a number."""
    forest = Forest(len(project.source.classes), 0)
    for image_id in project.store.labelled_images(until=number):
        labels: Mask = project.store.labelled(image_id, until=number)
        forest.add(project.source.read_image(image_id), labels.labels)
    forest.fit()
    return scored(project, images, lambda image, _: forest.probs(image))


def scored(project: Project, images: Iterable[str], probs: Any) -> tuple[float, float]:
    """Mean Dice and object F1 of probabilities, over all images together."""
    scores = Evaluation(project.source.classes, project.config.evaluation, "test")
    for image_id in images:
        mask = project.source.read_mask(image_id)
        assert mask is not None, "held out images have masks"
        scores.update(None, probs(project.source.read_image(image_id), image_id), None, mask)
    rows = {r.metric: r.value for r in scores.rows() if (r.group, r.class_name) == (ALL, ALL)}
    return round(rows["mean_dice"], 4), round(rows.get("object_f1", float("nan")), 4)


def write(path: Path, rows: Iterable[Score]) -> None:
    """Write a table."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Score)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def show(options: argparse.Namespace) -> None:
    """One table and one figure of several sessions."""
    rows: list[Score] = []
    for given in options.sessions:
        name, _, out = given.partition("=")
        with (Path(out) / "scores.csv").open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file):
                told = ("minute", "mean_dice", "object_f1")
                numbers = {name_of: round(float(line[name_of]), 4) for name_of in told}
                rows.append(Score(name, line["arm"], answers=int(line["answers"]), **numbers))
    write(options.table, rows)
    data = list(dict.fromkeys(row.session.partition(", ")[0] for row in rows))
    figure = Figure(figsize=(3.2 * len(data), 5.4), layout="constrained")
    axes = figure.subplots(2, len(data), squeeze=False, sharex="col", sharey="row")
    for row_of_axes, (metric, title) in zip(axes, METRICS.items(), strict=True):
        for place, name in zip(row_of_axes, data, strict=True):
            draw(place, [row for row in rows if row.session.startswith(name)], metric)
            place.set_xlim(left=0)
        row_of_axes[0].set_ylabel(title)
    for place, name in zip(axes[0], data, strict=True):
        place.set_title(name)
        place.legend(fontsize=7)
    figure.supxlabel("minutes of the person, waiting included", fontsize=9)
    figure.savefig(options.figure)


def draw(axes: Axes, rows: list[Score], metric: str) -> None:
    """Draw one metric of the sessions with one data set; forests are dashed."""
    for session, arm in dict.fromkeys((row.session, row.arm) for row in rows):
        own = [row for row in rows if (row.session, row.arm) == (session, arm)]
        axes.plot(
            [row.minute for row in own], [getattr(row, metric) for row in own],
            "--" if arm == "random forest" else "-", marker="o", markersize=3,
            label=f"{session.partition(', ')[2]}: {arm}",
        )  # fmt: skip


def main() -> None:
    """Run, judge or show."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(required=True)
    runs = verbs.add_parser("run")
    runs.add_argument("out", type=Path)
    runs.add_argument("--data", type=Path, required=True)
    runs.add_argument("--minutes", type=float, default=20.0)
    runs.add_argument("--think", type=float, default=10.0, help="Seconds for an answer.")
    runs.add_argument("--jitter", type=float, default=1.0, help="Wavering of edges in pixels.")
    runs.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE")
    runs.set_defaults(verb=run)
    judges = verbs.add_parser("judge")
    judges.add_argument("out", type=Path)
    judges.add_argument("--images", type=int, default=16, help="Test images, at most.")
    judges.add_argument("--most", type=int, default=12, help="Models to judge, at most.")
    judges.add_argument("--forest", nargs="*", type=float, default=[], metavar="MINUTE")
    judges.set_defaults(verb=judge)
    shows = verbs.add_parser("show")
    shows.add_argument("table", type=Path)
    shows.add_argument("figure", type=Path)
    shows.add_argument("sessions", nargs="+", metavar="NAME=OUT")
    shows.set_defaults(verb=show)
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.verb(options)


if __name__ == "__main__":
    main()
