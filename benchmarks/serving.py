"""Eight people at once on one server while its worker trains: how long saving an answer takes.

    python benchmarks/serving.py [--seconds 60] [--people 8] [--think 1.0] [--json]

Draws tissue, starts `askmask serve` as its users do, lets simulated people take regions and answer
them over loopback, and exits non-zero if an answer was lost, doubled, or took longer than
100 ms at the 95th percentile. `--think` is the mean time a person takes for a region.
"""

import argparse
import json
import os
import platform
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from askmask.config import parse_config
from askmask.data.demo import write_demo
from askmask.oracle import MaskOracle
from askmask.project import Project
from askmask.store import Store

# the people of the tests, who behave as the page does
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from people import Person, start_people

P95_MILLISECONDS = 100.0
PORT = 8471


def make_project(folder: Path) -> Path:
    """Project on drawn tissue whose worker trains most of the time."""
    write_demo(folder / "data")
    tree = {
        "threads": 1,
        "data": {"path": str(folder / "data"), "start": 4, "validation": 4, "test": []},
        "model": {"name": "unet", "options": {"base_channels": 16, "depth": 4}},
        "training": {"steps": 150, "batch_size": 4, "crop": 96},
        "sampling": {"samples": 5},
        "query": {"region": {"size": [24, 24], "stride": 8, "budget_regions": 200}},
        "serve": {"train_after": 20, "ask_below": 100},
    }
    with Project.create(folder / "project", parse_config(tree)) as project:
        oracle = MaskOracle(project.source)
        for region in project.start_regions:
            project.store.add_answer(oracle.answer(region, 0))
    return folder / "project"


def measure(root: Path, options: argparse.Namespace) -> dict[str, object]:
    """Serve, answer for a while, and reckon."""
    command = [sys.executable, "-m", "askmask.cli", "serve", str(root), "--port", str(PORT)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    until = threading.Event()
    busy = []
    try:
        wait_for_query(root, server)
        people = start_people(options.people, PORT, until, think_seconds=options.think)
        started = time.monotonic()
        while time.monotonic() - started < options.seconds:
            time.sleep(0.5)
            busy.append(worker_state(root) not in {"idle", "off"})
        until.set()
        for person in people:
            person.join(timeout=90)
        elapsed = time.monotonic() - started
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    return report(root, people, elapsed, sum(busy) / max(len(busy), 1))


def report(root: Path, people: list[Person], elapsed: float, busy: float) -> dict[str, object]:
    """What came of it."""
    told = {key: number for person in people for key, number in person.kept.items()}
    connection = sqlite3.connect(root / "askmask.db")
    kept = dict(connection.execute("SELECT client_id, answer FROM receipts"))
    sound = connection.execute("PRAGMA integrity_check").fetchone()[0]
    connection.close()
    seconds = sorted(s for person in people for s in person.seconds)
    with Store(root / "askmask.db") as store:
        trainings = sum(record.status == "finished" for record in store.trainings())
    return {
        "people": len(people),
        "answers": len(seconds),
        "answers_per_minute": round(60 * len(seconds) / elapsed, 1),
        "lost": len(told.keys() - kept.keys()),
        "doubled": len(told) - len(set(told.values())),
        "problems": [problem for person in people for problem in person.problems],
        "integrity": sound,
        "save_ms_p50": round(1000 * statistics.median(seconds), 1),
        "save_ms_p95": round(1000 * seconds[len(seconds) * 95 // 100], 1),
        "save_ms_max": round(1000 * seconds[-1], 1),
        "trainings": trainings,
        "worker_busy_share": round(busy, 2),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
    }


def wait_for_query(root: Path, server: subprocess.Popen) -> None:
    """Wait until the first regions are drawn."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and server.poll() is None:
        with Store(root / "askmask.db") as store:
            if any(item.piece is not None for item in store.worklist.items()):
                return
        time.sleep(0.5)
    raise SystemExit("the worker asked nothing within 300 s")


def worker_state(root: Path) -> str:
    """What the worker does now."""
    with Store(root / "askmask.db") as store:
        worker = store.control.worker()
    return "off" if worker is None or not worker.is_alive else worker.state


def main() -> None:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--think", type=float, default=1.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(make_project(Path(folder)), options)
    if options.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:20} {value}")
    is_good = not result["lost"] and not result["doubled"] and not result["problems"]
    is_quick = float(str(result["save_ms_p95"])) < P95_MILLISECONDS
    sys.exit(0 if is_good and is_quick and result["integrity"] == "ok" else 1)


if __name__ == "__main__":
    main()
