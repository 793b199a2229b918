"""Real processes, really killed: what was acknowledged is there, the rest is whole or not there.

The child kills itself with SIGKILL just before SQLite runs a chosen statement, so that every
point of a transaction is met, or is killed from outside at an arbitrary moment.
"""

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from askmask.records import ImageInfo
from askmask.store.store import Store

SIDE = 12
CHILD = """
import os, signal, sys
from pathlib import Path
import numpy as np
import askmask.store.database
from askmask.records import Answer, ImageInfo, Mask, MetricRow, Query, QueryItem, Region, Unit
from askmask.store.store import Store

path, fatal, survived, author = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
seen = 0

def kill_at(statement):
    global seen
    if fatal and " ".join(statement.split()).startswith(fatal):
        seen += 1
        if seen > survived:
            os.kill(os.getpid(), signal.SIGKILL)

connect = askmask.store.database.sqlite3.connect

def traced(*arguments, **options):
    connection = connect(*arguments, **options)
    connection.set_trace_callback(kill_at)
    return connection

askmask.store.database.sqlite3.connect = traced
SIDE = 12
with Store(path) as store:
    store.add_images([ImageInfo("image", SIDE, SIDE), ImageInfo("large", 200, 200)])
    items = tuple(QueryItem(i, Region("image", i, 0, 1, SIDE), 1.0, SIDE) for i in range(SIDE))
    store.add_query(Query(1, "random", Unit.REGION, items))
    print("ready", flush=True)
    generator = np.random.default_rng(len(author))
    for item in items:
        labels = generator.integers(0, 2, (1, SIDE)).astype(np.int16)
        number = store.add_answer(Answer(item.region, Mask(labels), 1, author, "brush"))
        print(number, labels.sum(), flush=True)
        whole = generator.integers(0, 2, (200, 200)).astype(np.int16)
        region = Region("large", 0, 0, 200, 200)
        number = store.add_answer(Answer(region, Mask(whole), 1, author, "brush"))
        print(number, whole.sum(), flush=True)
    store.add_metrics(1, "model", [MetricRow("a", "all", "all", str(i), 0.5, 1) for i in range(50)])
    print("done", flush=True)
"""


def start(path: Path, fatal: str = "", survived: int = 0, author: str = "Ada") -> subprocess.Popen:
    arguments = [sys.executable, "-c", CHILD, str(path), fatal, str(survived), author]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def acknowledged(lines: list[str]) -> dict[int, int]:
    """Sum of the labels of each answer that add_answer returned from, by its number."""
    pairs = [line.split() for line in lines if line[:1].isdigit() and line.endswith("\n")]
    return {int(number): int(total) for number, total in pairs}


def assert_sound(path: Path) -> None:
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()


def kept_answers(store: Store) -> dict[int, int]:
    rows = store.database.rows("SELECT id FROM answers ORDER BY id")
    sums = [int(answer.mask.labels.sum()) for answer in store.answers()]
    return {number: total for (number,), total in zip(rows, sums, strict=True)}


@pytest.mark.parametrize(
    ("fatal", "survived", "expected"),
    [
        ("PRAGMA journal_mode", 0, 0),
        ("CREATE TABLE answers", 0, 0),
        ("INSERT INTO migrations", 0, 0),
        ("PRAGMA user_version =", 0, 0),
        ("INSERT INTO images", 1, 0),
        ("INSERT INTO query_items", 7, 0),
        ("INSERT INTO answers", 16, 4),  # seen four times each: again at each of its triggers
        ("INSERT INTO answers", 17, 4),
        ("COMMIT", 11, 4),  # five migrations, images, query, then answers
        ("BEGIN IMMEDIATE", 12, 5),
        ("INSERT INTO metrics", 25, 24),
    ],
)
def test_process_killed_at_a_statement_keeps_exactly_the_acknowledged_answers(
    tmp_path: Path, fatal: str, survived: int, expected: int
) -> None:
    path = tmp_path / "askmask.db"
    child = start(path, fatal, survived)
    output, _ = child.communicate(timeout=60)

    assert child.returncode == -signal.SIGKILL
    told = acknowledged(output.splitlines(keepends=True))
    assert len(told) == expected
    with Store(path) as store:
        assert kept_answers(store) == told
        assert store.metrics(1) == ()
        query = store.query(1)
        assert query is None or len(query.items) == SIDE
        assert len(store.images()) in {0, 2}
    assert_sound(path)


def test_killed_process_is_continued_by_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "askmask.db"
    start(path, "INSERT INTO answers", 28).communicate(timeout=60)

    output, _ = (child := start(path, author="Grace")).communicate(timeout=60)

    assert child.returncode == 0
    assert output.endswith("done\n")
    with Store(path) as store:
        assert [answer.author for answer in store.answers()] == ["Ada"] * 7 + ["Grace"] * 24
        assert store.unanswered(1) == ()
        assert len(store.metrics(1)) == 50
        assert store.labelled_pixels() == SIDE**2 + 200**2


@pytest.mark.parametrize("answers_before", [1, 6, 17])
def test_process_killed_from_outside_keeps_every_acknowledged_answer(
    tmp_path: Path, answers_before: int
) -> None:
    path = tmp_path / "askmask.db"
    child = start(path)
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(answers_before + 1)]
    child.kill()
    lines += child.stdout.readlines()
    child.stdout.close()

    assert child.wait(timeout=60) == -signal.SIGKILL
    told = acknowledged(lines)
    assert len(told) >= answers_before
    with Store(path) as store:
        kept = kept_answers(store)
    assert told.items() <= kept.items()
    assert len(kept) <= len(told) + 1  # committed, and killed before it could say so
    assert_sound(path)


def test_two_processes_answer_at_once_and_one_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "askmask.db"
    victim, survivor = start(path, author="Ada"), start(path, author="Grace")
    assert victim.stdout is not None
    lines = [victim.stdout.readline() for _ in range(5)]
    victim.kill()
    lines += victim.stdout.readlines()
    victim.stdout.close()
    victim.wait(timeout=60)
    output, _ = survivor.communicate(timeout=60)

    assert survivor.returncode == 0
    told = acknowledged(lines) | acknowledged(output.splitlines(keepends=True))
    with Store(path) as store:
        assert told.items() <= kept_answers(store).items()
        assert sum(answer.author == "Grace" for answer in store.answers()) == 24
        assert store.images() == (ImageInfo("image", SIDE, SIDE), ImageInfo("large", 200, 200))
    assert_sound(path)


def test_processes_that_make_one_database_at_once_make_one(tmp_path: Path) -> None:
    path = tmp_path / "askmask.db"
    children = [start(path, author=author) for author in ("Ada", "Emmy", "Grace")]
    outputs = [child.communicate(timeout=60)[0] for child in children]

    assert [child.returncode for child in children] == [0, 0, 0]
    assert all(output.endswith("done\n") for output in outputs)
    with Store(path) as store:
        assert len(kept_answers(store)) == 72
        rows = store.database.rows("SELECT version FROM migrations ORDER BY version")
        assert [version for (version,) in rows] == [1, 2, 3, 4, 5]
    assert_sound(path)
