"""Databases of every version open; a step is taken whole or not at all.

``assets/store_version_<n>.sql`` is a store written by the code of schema version n. When a version
is added: keep its dump, and extend `test_store_of_an_old_version_is_read_as_it_was_written`.
"""

import math
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from askmask.errors import StoreError
from askmask.records import UNLABELLED, ImageInfo, MetricRow, Query, QueryItem, Region, Unit
from askmask.store.database import open_database
from askmask.store.schema import MIGRATIONS, Migration, version_of
from askmask.store.store import RoundCost, Store
from askmask.store.tokens import Person, Role
from askmask.store.work_records import ItemState, Lease

ASSETS = Path(__file__).parent / "assets"
NEWEST = MIGRATIONS[-1].version
NO = UNLABELLED
FAILING = Migration(
    NEWEST + 1,
    "fails half-way",
    (
        "CREATE TABLE halfway (value INTEGER) STRICT",
        "UPDATE images SET split = 'elsewhere'",
        "INSERT INTO nowhere VALUES (1)",
    ),
)


def write_old(path: Path, version: int) -> Path:
    """Database of an old version, from its dump."""
    connection = sqlite3.connect(path, isolation_level=None)
    dump = ASSETS / f"store_version_{version}.sql"
    connection.executescript(dump.read_text(encoding="utf-8"))
    connection.close()
    return path


def schema_of(connection: sqlite3.Connection) -> set[tuple[str, str, str]]:
    """Every table, index and trigger with its SQL, spaces aside."""
    rows = connection.execute("SELECT type, name, ifnull(sql, '') FROM sqlite_schema")
    return {(kind, name, " ".join(sql.split())) for kind, name, sql in rows}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return write_old(tmp_path / "askmask.db", 1)


def test_steps_are_numbered_from_one_without_a_gap() -> None:
    versions = [migration.version for migration in MIGRATIONS]

    assert versions == list(range(1, len(MIGRATIONS) + 1))
    assert all(migration.note for migration in MIGRATIONS)


@pytest.mark.parametrize("version", range(1, NEWEST))
def test_dump_of_every_earlier_version_is_kept(tmp_path: Path, version: int) -> None:
    old = sqlite3.connect(write_old(tmp_path / "old.db", version))
    made = open_database(tmp_path / "made.db", MIGRATIONS[:version])

    assert version_of(old) == version_of(made) == version
    assert schema_of(old) == schema_of(made)  # a released step was not edited
    old.close()
    made.close()


@pytest.mark.parametrize("version", range(1, NEWEST))
def test_upgraded_database_has_the_tables_of_a_new_one(tmp_path: Path, version: int) -> None:
    upgraded = open_database(write_old(tmp_path / "old.db", version))
    new = open_database(tmp_path / "new.db")

    assert schema_of(upgraded) == schema_of(new)
    assert version_of(upgraded) == version_of(new) == NEWEST
    assert upgraded.execute("PRAGMA foreign_key_check").fetchall() == []
    upgraded.close()
    new.close()


def test_store_of_an_old_version_is_read_as_it_was_written(old: Path) -> None:
    with Store(old) as store:
        assert store.images() == (
            ImageInfo("train_1", 4, 6, "train", "benign", "start"),
            ImageInfo("train_2", 4, 6, "train", "malignant", "pool"),
            ImageInfo("field", 3, 3, has_mask=False),
        )
        asked = (
            QueryItem(0, Region("train_2", 0, 0, 2, 3), 2.5, 6),
            QueryItem(1, Region("train_2", 2, 3, 2, 3), 1.5, 6),
            QueryItem(2, Region("field", 0, 0, 3, 3), 0.5, 9),
        )
        model = "round_000.safetensors"
        query = Query(1, "mutual_information", Unit.REGION, asked, model, elapsed_seconds=1.5)
        assert store.newest_query() == query
        assert store.unanswered(1) == (asked[0], asked[2])
        assert [answer.author for answer in store.answers()] == ["simulated", "Ada", "Grace"]
        assert [answer.seconds for answer in store.answers()] == [None, 12.5, 4.0]
        np.testing.assert_array_equal(
            store.labelled("train_2").labels[2:], [[NO, NO, NO, 1, 0, 0], [NO, NO, NO, 1, 1, 0]]
        )
        np.testing.assert_array_equal(store.labelled("train_1").instances[0], [0, 0, 8, 8, 0, 0])
        assert store.labelled_digest() == "96fe138d14486b3de8c0dda9c51a6ed8"
        assert store.costs()[1] == RoundCost(1, 6, 1, 1, 2, 2, 16.5)
        assert [record.status for record in store.trainings()] == ["failed", "finished"]
        assert math.isnan(store.trainings()[0].loss)


def test_metrics_of_version_1_are_those_of_its_finished_training(old: Path) -> None:
    with Store(old) as store:
        dice, absent, accuracy = store.metrics(0, "round_000.safetensors")

        assert dice == MetricRow("testA", "all", "all", "mean_dice", 0.5, 100)
        assert accuracy == MetricRow("testA", "all", "all", "reliability_accuracy", 0.75, 12, 9)
        assert math.isnan(absent.value)

        store.add_training(store.trainings()[1])
        assert store.metrics(0, "round_000.safetensors") == ()


def test_people_of_version_3_are_at_work_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1e12 - 60)  # while the lease of then holds
    monkeypatch.setattr("askmask.store.tokens.SESSION_DAYS", 100_000)
    with Store(write_old(tmp_path / "askmask.db", 3)) as store:
        first, corner, field, gone = store.worklist.items()

        assert (first.lease, first.state) == (Lease("Grace", 1e12), ItemState.OPEN)
        assert first.piece is not None
        assert first.piece.confidence == 0.75
        assert (corner.state, corner.answers) == (ItemState.LABELS, 2)
        assert (field.state, field.is_conflict, field.answers) == (ItemState.UNSURE, True, 2)
        assert (gone.state, gone.round) == (ItemState.WITHDRAWN, 2)
        grace = Person("Grace", Role.ANNOTATE)
        assert store.access.person_of_token("token-of-grace") == grace
        assert store.access.person_of_session("session-of-grace", needs_token=True) == grace
        assert [command.state for command in store.control.commands()] == ["done"]
        assert store.control.fact("strategies") == ["margin", "random"]


def test_upgraded_database_gets_an_id_of_its_own_that_stays(tmp_path: Path) -> None:
    paths = [write_old(tmp_path / f"{number}.db", 3) for number in range(2)]
    ids = []
    for path in paths * 2:
        with Store(path) as store:
            ids.append(store.identity())

    assert ids[:2] == ids[2:]
    assert len(set(ids)) == 2
    assert all(re.fullmatch("[0-9a-f]{32}", text) for text in ids)


def test_each_step_is_noted_once(old: Path) -> None:
    for _ in range(2):
        connection = open_database(old)
        notes = connection.execute("SELECT version, note FROM migrations ORDER BY version")
        assert notes.fetchall() == [(step.version, step.note) for step in MIGRATIONS]
        connection.close()


def test_step_that_fails_half_way_leaves_the_database_as_it_was(old: Path) -> None:
    open_database(old).close()

    with pytest.raises(StoreError, match=r"no such table: nowhere"):
        open_database(old, (*MIGRATIONS, FAILING))

    with Store(old) as store:
        assert {info.split for info in store.images()} == {"train"}
    connection = open_database(old)
    assert version_of(connection) == NEWEST
    assert "halfway" not in {name for _, name, _ in schema_of(connection)}
    assert len(connection.execute("SELECT * FROM migrations").fetchall()) == NEWEST
    connection.close()


KILLED_UPGRADE = """
import os, signal, sys
from pathlib import Path
import askmask.store.database

connect = askmask.store.database.sqlite3.connect

def kill_at(statement):
    if statement.startswith(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

def traced(*arguments, **options):
    connection = connect(*arguments, **options)
    connection.set_trace_callback(kill_at)
    return connection

askmask.store.database.sqlite3.connect = traced
askmask.store.database.open_database(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("statement", ["DROP INDEX", "PRAGMA user_version =", "COMMIT"])
def test_upgrade_killed_at_a_statement_leaves_the_old_version(old: Path, statement: str) -> None:
    command = [sys.executable, "-c", KILLED_UPGRADE, str(old), statement]
    killed = subprocess.run(command, check=False)

    connection = sqlite3.connect(old)
    version, tables = version_of(connection), schema_of(connection)
    connection.close()
    assert killed.returncode == -signal.SIGKILL
    assert version == 1
    assert "evaluations_of_training" not in {name for _, name, _ in tables}
    with Store(old) as store:  # and the next one finishes it
        assert len(store.metrics(0)) == 3
