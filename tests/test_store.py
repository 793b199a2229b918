"""The SQLite store: the contract, its properties, and what the database itself refuses."""

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import askmask.store.database
from access_contract import AccessContract
from answers_contract import AnswersContract
from askmask.errors import StoreError
from askmask.records import UNLABELLED, Answer, ImageInfo, Mask, Query, QueryItem, Region, Unit
from askmask.store.compose import Piece, compose, mask_digest
from askmask.store.store import Store
from labelled_strategies import IMAGE, boundary_edges, newest_labels, pieces
from labels_contract import LabelsContract
from people_contract import PeopleContract
from store_contract import FIRST, IMAGES, LEFT, RIGHT, StoreContract, filled

NAME = "askmask.db"


class TestStore(StoreContract):
    def open_store(self, path: Path) -> Store:
        return Store(path / NAME)


class TestLabelsOfTheStore(LabelsContract):
    def open_store(self, path: Path) -> Store:
        return Store(path / NAME)


class TestPeopleAtTheStore(PeopleContract):
    def open_store(self, path: Path) -> Store:
        return Store(path / NAME)


class TestAnswersOfPeople(AnswersContract):
    def open_store(self, path: Path) -> Store:
        return Store(path / NAME)


class TestAccessToTheStore(AccessContract):
    def open_store(self, path: Path) -> Store:
        return Store(path / NAME)


@pytest.fixture
def store(tmp_path: Path):
    with Store(tmp_path / NAME) as store:
        store.add_images(IMAGES)
        yield store


def answer_of(piece: Piece, round: int) -> Answer:
    tool = "mask" if piece.keeps_ids else "brush"
    return Answer(piece.region, piece.mask, round, author="Ada", tool=tool)


def raw(store: Store) -> sqlite3.Connection:
    return sqlite3.connect(store.path, isolation_level=None)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(pieces(), st.integers(0, 2)), max_size=5))
def test_counts_and_costs_equal_their_recomputation(
    tmp_path: Path, given_pieces: list[tuple[Piece, int]]
) -> None:
    path = tmp_path / "property.db"
    path.unlink(missing_ok=True)
    expected: dict[int, list[int]] = {}
    older: list[Piece] = []
    with Store(path) as store:
        store.add_images([ImageInfo(IMAGE.image_id, IMAGE.height, IMAGE.width)])
        for piece, round in given_pieces:
            before, after = newest_labels(older), newest_labels([*older, piece])
            known = np.where(before == UNLABELLED, UNLABELLED, after)
            cost = expected.setdefault(round, [0, 0])
            cost[0] += int(((before == UNLABELLED) & (after != UNLABELLED)).sum())
            cost[1] += boundary_edges(after) - boundary_edges(known)
            older.append(piece)
            store.add_answer(answer_of(piece, round))

        found = {cost.round: [cost.new_pixels, cost.boundary_length] for cost in store.costs()}
        kept = store.labelled(IMAGE.image_id)
        composed = compose(IMAGE, older[::-1])

        assert found == expected
        assert store.labelled_pixels() == (newest_labels(older) != UNLABELLED).sum()
        assert mask_digest(kept) == mask_digest(composed)
        np.testing.assert_array_equal(kept.labels, composed.labels)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE answers SET author = 'somebody else'",
        "UPDATE answers SET labels = x'00' WHERE id = 1",
        "DELETE FROM answers",
        "INSERT OR REPLACE INTO answers SELECT * FROM answers",
    ],
)
def test_database_itself_refuses_to_change_answers(store: Store, statement: str) -> None:
    store.add_answer(filled(LEFT, 1))
    connection = raw(store)

    with pytest.raises(sqlite3.IntegrityError, match="answers are only appended"):
        connection.execute(statement)

    connection.close()
    assert [answer.author for answer in store.answers()] == ["Ada"]


def test_answers_of_kinds_to_come_count_as_answers_without_labels(store: Store) -> None:
    connection = raw(store)
    connection.execute(
        "INSERT INTO answers (round, image_id, row, col, height, width, kind, author, tool,"
        " answered_at, new_pixels, new_boundary) VALUES (1, ?, 0, 0, 6, 4, 'artefact', 'Ada',"
        " 'button', '2030-01-01', 0, 0)",
        (FIRST.image_id,),
    )
    connection.close()

    assert store.labelled_pixels() == 0
    assert list(store.answers()) == []
    assert (store.labelled(FIRST.image_id).labels == UNLABELLED).all()
    assert store.costs()[0].regions == 1


def test_answer_waits_for_another_programs_transaction(store: Store) -> None:
    other = raw(store)
    other.execute("BEGIN IMMEDIATE")
    waiting = subprocess.Popen(
        [sys.executable, "-c", _ADD_ONE, str(store.path)], stdout=subprocess.PIPE, text=True
    )
    assert waiting.stdout is not None
    assert waiting.stdout.readline() == "opened\n"

    assert store.newest_answer() == 0  # readers do not wait
    other.execute("COMMIT")
    other.close()

    assert waiting.stdout.readline() == "added\n"
    assert waiting.wait(timeout=10) == 0
    waiting.stdout.close()
    assert store.newest_answer() == 1


_ADD_ONE = """
import sys
from pathlib import Path
import numpy as np
from askmask.records import Answer, Mask, Region
from askmask.store.store import Store

with Store(Path(sys.argv[1])) as store:
    print("opened", flush=True)
    region = Region("another", 0, 0, 1, 1)
    store.add_answer(Answer(region, Mask(np.zeros((1, 1), np.int16)), 0, "Ada", "brush"))
    print("added", flush=True)
"""


def test_lock_that_is_never_released_is_an_error_with_a_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(askmask.store.database, "BUSY_SECONDS", 0.02)
    with Store(tmp_path / NAME) as store:
        store.add_images(IMAGES)
        other = raw(store)
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(StoreError, match=r"database is locked.*repeat it"):
            store.add_answer(filled(LEFT, 1))

        other.close()
        assert store.add_answer(filled(LEFT, 1)) == 1


def test_foreign_sqlite_file_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "photos.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE photos (name TEXT)")
    connection.close()
    before = path.read_bytes()

    with pytest.raises(StoreError, match=r"askmask database at '.*photos.db'.*another program"):
        Store(path)

    assert path.read_bytes() == before


def test_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes on the glands of the colon\n" * 50)
    before = path.read_bytes()

    with pytest.raises(StoreError, match=r"file is not a database\. Name another file"):
        Store(path)

    assert path.read_bytes() == before


def test_database_of_a_newer_version_is_refused(store: Store) -> None:
    connection = raw(store)
    connection.execute("PRAGMA user_version = 999")
    connection.close()

    with pytest.raises(StoreError, match=r"got version 999\. Install a newer askmask"):
        Store(store.path)


def test_missing_folder_is_an_error_with_a_cure(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"unable to open database file\. Make its folder"):
        Store(tmp_path / "nowhere" / NAME)


def test_damaged_database_is_an_error_with_a_cure(store: Store) -> None:
    store.close()
    content = bytearray(store.path.read_bytes())
    content[100:] = b"\xff" * (len(content) - 100)
    store.path.write_bytes(bytes(content))

    with pytest.raises(StoreError, match="malformed"):
        Store(store.path)


def test_disk_without_shared_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(askmask.store.database, "_write_ahead", lambda connection: "delete")

    with pytest.raises(StoreError, match=r"journal mode 'delete'.*local disk"):
        Store(tmp_path / NAME)


@pytest.mark.parametrize("lock", ["BEGIN EXCLUSIVE", "BEGIN; SELECT * FROM sqlite_schema"])
def test_new_database_that_another_program_holds_is_an_error_with_a_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lock: str
) -> None:
    monkeypatch.setattr(askmask.store.database, "BUSY_SECONDS", 0.05)
    connection = sqlite3.connect(tmp_path / NAME, isolation_level=None)
    for statement in lock.split("; "):
        connection.execute(statement).fetchall()

    with pytest.raises(StoreError, match=r"database is locked.*Close other programs"):
        Store(tmp_path / NAME)

    connection.close()
    Store(tmp_path / NAME).close()


def test_fork_is_told_to_open_its_own_store(store: Store) -> None:
    child = os.fork()
    if child == 0:
        try:
            store.images()
        except StoreError as error:
            os._exit(0 if "Open a Store in each process" in str(error) else 1)
        os._exit(2)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.images() == IMAGES


def test_copied_database_is_whole(store: Store, tmp_path: Path) -> None:
    store.add_answer(filled(RIGHT, 1))
    store.close()
    shutil.copy(store.path, tmp_path / "copy.db")

    with Store(tmp_path / "copy.db") as copy:
        assert copy.labelled_pixels() == RIGHT.pixels


def test_answer_is_flushed_to_the_disk_before_it_is_acknowledged(store: Store) -> None:
    with store.database.writing() as connection:
        (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        (foreign_keys,) = connection.execute("PRAGMA foreign_keys").fetchone()

    assert (synchronous, mode, foreign_keys) == (2, "wal", 1)  # 2 is FULL


def test_counts_of_hundred_images_read_no_raster(store: Store) -> None:
    plan = store.database.rows(
        "EXPLAIN QUERY PLAN SELECT sum(new_pixels) FROM answers WHERE id <= ifnull(?, id)", None
    )

    assert "COVERING INDEX answers_of_image" in plan[0][-1]


def test_store_writes_nothing_but_its_database(tmp_path: Path) -> None:
    with Store(tmp_path / NAME) as store:
        store.add_images(IMAGES)
        store.add_answer(Answer(LEFT, Mask(np.ones((6, 4), np.int16)), 0, "Ada", "brush"))

    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_work_on_one_region_does_not_grow_with_the_regions_that_were_asked(tmp_path: Path) -> None:
    costs = [work_on_one_region(tmp_path / f"{count}.db", count) for count in (20, 1500)]

    assert costs[1] < 2 * costs[0]


def work_on_one_region(path: Path, asked: int) -> int:
    """How many hundreds of instructions SQLite takes for an answer among many regions."""
    instructions: list[int] = []
    with Store(path) as store:
        store.add_images([ImageInfo(f"image_{number}", 2, 2) for number in range(asked)])
        regions = [Region(f"image_{number}", 0, 0, 2, 2) for number in range(asked)]
        items = tuple(QueryItem(rank, region, 1.0, 4) for rank, region in enumerate(regions))
        store.add_query(Query(1, "random", Unit.REGION, items))
        with store.database.writing() as connection:  # one wait for the disk instead of many
            for region in regions[:-1]:
                store.add_answer(filled(region, 1))
        connection.set_progress_handler(lambda: instructions.append(1), 100)
        store.worklist.item(1, 3)
        store.worklist.history(round=1, rank=3)
        store.worklist.history(limit=5)
        store.worklist.lease(1, asked - 1, "Ada")
        store.worklist.lease_next("Grace")
        store.worklist.items_at([(1, 3), (1, 4)])
        store.worklist.undrawn(1)
        store.worklist.give(asked - 1, filled(regions[-1], 1), client_id="only-one")
        connection.set_progress_handler(None, 0)
    return len(instructions)
