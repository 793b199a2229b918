"""From the last answer of a batch to the next query on the page, training included.

    python benchmarks/next_query.py [--images 100] [--size 512] [--batches 4] [--small] [--json]

Draws tissue, makes a project without any label as `askmask init` does, starts `askmask serve` with
its worker, and answers the regions that stand open from the hidden masks, as many as start a
training, all at once. The clock runs from the last of them until a region stands open that was
asked from a model which learned from it. The first batches are smaller, since the worker trains
sooner while there are few answers. Needs the machine for itself.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from askmask.data.drawn.demo import write_demo
from askmask.data.prepared import PreparedSource
from askmask.loop.begin.create import create_project
from askmask.loop.project import Project
from askmask.records import Region
from askmask.serve.web.labels import labels_to_runs
from askmask.store.work_records import WorkItem
from session import Hand

# the server and the client of the tests, who behave as the page does
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from people import Client
from server_processes import serving

LOOK_SECONDS: Final = 0.1
LONGEST_SECONDS: Final = 600.0


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--batches", type=int, default=4)
    parser.add_argument("--small", action="store_true", help="12 images of 128 x 128, 2 batches")
    parser.add_argument("--set", nargs="*", default=[], help="settings, key=value")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.small:
        options.images, options.size, options.batches = 12, 128, 2
    with tempfile.TemporaryDirectory() as folder:
        data, root = Path(folder) / "data", Path(folder) / "project"
        sizes = (options.size, options.size)
        write_demo(data, n_train=options.images, n_validation=0, n_test=0, size=sizes)
        create_project(root, dataset=data, overrides=["data.start=none", *options.set])
        batches = measure(root, PreparedSource(data), options.batches)
    if options.json:
        print(json.dumps(batches, indent=2))
        return
    print(f"{options.images} images of {sizes[0]} x {sizes[1]}, {os.cpu_count()} cores\n")
    print("| batch | answers | model of | next region s | ten regions s |\n|---|---|---|---|---|")
    for number, batch in enumerate(batches, 1):
        print(
            f"| {number} | {batch['answers']} | {batch['steps']} steps | {batch['next_s']:.1f} | "
            f"{batch['ten_s']:.1f} |"
        )
    print(f"\nmedian {statistics.median(batch['next_s'] for batch in batches):.1f} s")


def measure(root: Path, source: PreparedSource, n_batches: int) -> list[dict[str, Any]]:
    """Serve the project, and answer batch after batch."""
    found = []
    hand = Hand(source, 0.0)
    with serving(root) as server, Project.open(root) as project:
        client = Client("Scripted", server.port)
        train_after = project.config.serve.train_after
        for _ in range(n_batches):
            wait_until(lambda: len(open_items(project)) >= train_after, "regions to answer")
            for item in open_items(project)[:train_after]:
                number = answer(client, item, hand)
            began = time.monotonic()
            wait_until(lambda n=number: open_of(project, n) >= 1, "a region of a new model")
            first = time.monotonic() - began
            wait_until(lambda n=number: open_of(project, n) >= train_after, "ten of them")
            training = project.newest_training()
            assert training is not None, "a region was asked from it"
            found.append(
                {
                    "answers": train_after,
                    "steps": training.steps,
                    "next_s": first,
                    "ten_s": time.monotonic() - began,
                }
            )
    return found


def open_items(project: Project) -> tuple[WorkItem, ...]:
    """Regions that stand open."""
    return project.store.worklist.open_items()


def open_of(project: Project, number: int) -> int:
    """Count the open regions asked from a model that learned from an answer."""
    training = project.newest_training()
    if training is None or (training.newest_answer or 0) < number:
        return 0
    model = project.model_path(training.round).name
    return sum(item.model == model for item in open_items(project))


def answer(client: Client, item: WorkItem, hand: Hand) -> int:
    """Answer a region as the page does; return the answer's number."""
    region: Region = item.item.region
    place = f"/items/{item.round}/{item.item.rank}"
    body = {
        "id": f"scripted-{item.round}-{item.item.rank}",
        "kind": "labels",
        "runs": labels_to_runs(hand.labels(region)),
        "seconds": 5.0,
        "tool": "brush",
        "base": None,
    }
    while True:  # a connection that was idle for long is closed: sent again, as the page does
        status, reply = client.ask("POST", f"{place}/answers", body)
        if status in {200, 201}:
            return int(reply["answer"]["number"])
        assert status in {0, 503}, (status, reply)
        time.sleep(LOOK_SECONDS)


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Look again and again, for a limited time."""
    until = time.monotonic() + LONGEST_SECONDS
    while not holds():
        if time.monotonic() > until:
            sys.exit(f"expected {what} within {LONGEST_SECONDS:.0f} s.")
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    main()
