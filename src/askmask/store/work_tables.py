"""SQL of the tables behind lists of asked regions and the review of answers.

`item_states` tells what became of every asked region. It follows from the other tables, and
triggers keep it, whoever writes there. Its indexes serve each list that people and the worker look
at, so that what a look costs does not grow with the number of regions. Like a step of the schema,
this text is never edited once it was released.
"""

from typing import Final

_ANSWERS_ITEM: Final = (
    "(answer.round, answer.image_id, answer.row, answer.col, answer.height, answer.width)"
    " = (item.round, item.image_id, item.row, item.col, item.height, item.width)"
)
_STATES_OF_ITEMS: Final = (  # what became of asked regions, worked out from what was appended
    "INSERT OR REPLACE INTO item_states"  # noqa: S608
    " SELECT item.round, item.rank,"
    " CASE WHEN newest.id IS NOT NULL THEN newest.kind"
    " WHEN gone.round IS NOT NULL THEN 'withdrawn' ELSE 'open' END,"
    f" newest.id, (SELECT count(*) FROM answers AS answer WHERE {_ANSWERS_ITEM}),"
    " ifnull(receipt.is_conflict, 0), piece.round IS NOT NULL"
    " FROM query_items AS item LEFT JOIN answers AS newest"
    f" ON newest.id = (SELECT max(answer.id) FROM answers AS answer WHERE {_ANSWERS_ITEM})"
    " LEFT JOIN receipts AS receipt ON receipt.answer = newest.id"
    " LEFT JOIN withdrawals AS gone ON (gone.round, gone.rank) = (item.round, item.rank)"
    " LEFT JOIN pieces AS piece ON (piece.round, piece.rank) = (item.round, item.rank)"
)


def _keeping_states(table: str, places: str) -> str:
    """Trigger that works the states of some regions out anew when a row comes into a table."""
    return (
        f"CREATE TRIGGER states_after_{table} AFTER INSERT ON {table} BEGIN"
        f" {_STATES_OF_ITEMS} WHERE {places}; END"
    )


def _keeping_states_without(table: str) -> str:
    """Trigger that works the state of a region out anew when its row leaves a table."""
    return (
        f"CREATE TRIGGER states_without_{table} AFTER DELETE ON {table} BEGIN"
        f" {_STATES_OF_ITEMS} WHERE (item.round, item.rank) = (OLD.round, OLD.rank); END"
    )


_OF_REVIEWS: Final[tuple[str, ...]] = (
    # Shares of the pixels with a label in both: differs from the prediction that was shown, and
    # from the newest answer of somebody else. NULL where there is none.
    """
    CREATE TABLE answer_notes (
        answer INTEGER PRIMARY KEY REFERENCES answers (id),
        differs REAL,
        disagrees REAL
    ) STRICT
    """,
    """
    CREATE TABLE answer_classes (
        answer INTEGER NOT NULL REFERENCES answers (id),
        class INTEGER NOT NULL,
        pixels INTEGER NOT NULL,
        PRIMARY KEY (answer, class)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE comments (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        round INTEGER NOT NULL,
        rank INTEGER NOT NULL,
        author TEXT NOT NULL,
        text TEXT NOT NULL,
        written_at TEXT NOT NULL,
        FOREIGN KEY (round, rank) REFERENCES query_items (round, rank)
    ) STRICT
    """,
    "CREATE INDEX comments_of_item ON comments (round, rank)",
    # share of the region's pixels whose two likeliest classes are about as likely
    "ALTER TABLE pieces ADD COLUMN close REAL",
)

STATEMENTS: Final[tuple[str, ...]] = (
    """
    CREATE TABLE item_states (
        round INTEGER NOT NULL,
        rank INTEGER NOT NULL,
        state TEXT NOT NULL
            CHECK (state IN ('open', 'labels', 'unsure', 'artefact', 'withdrawn')),
        newest INTEGER REFERENCES answers (id),
        answers INTEGER NOT NULL,
        is_conflict INTEGER NOT NULL CHECK (is_conflict IN (0, 1)),
        is_drawn INTEGER NOT NULL CHECK (is_drawn IN (0, 1)),
        PRIMARY KEY (round, rank),
        FOREIGN KEY (round, rank) REFERENCES query_items (round, rank)
    ) STRICT, WITHOUT ROWID
    """,
    _STATES_OF_ITEMS,
    "CREATE INDEX items_by_state ON item_states (state, round, rank)",
    "CREATE INDEX items_standing ON item_states (round, rank) WHERE state <> 'withdrawn'",
    "CREATE INDEX items_in_conflict ON item_states (round, rank) WHERE is_conflict = 1",
    "CREATE INDEX items_to_draw ON item_states (round, rank) WHERE state = 'open' AND is_drawn = 0",
    _keeping_states("query_items", "(item.round, item.rank) = (NEW.round, NEW.rank)"),
    _keeping_states("withdrawals", "(item.round, item.rank) = (NEW.round, NEW.rank)"),
    _keeping_states("pieces", "(item.round, item.rank) = (NEW.round, NEW.rank)"),
    _keeping_states_without("pieces"),
    _keeping_states("answers", _ANSWERS_ITEM.replace("answer.", "NEW.")),
    _keeping_states(
        "receipts",
        "(item.round, item.image_id, item.row, item.col, item.height, item.width) ="
        " (SELECT round, image_id, row, col, height, width FROM answers"
        " WHERE id = NEW.answer)",
    ),
    # who answered how often, and in what time: read without the rasters
    "CREATE INDEX answers_of_people ON answers (author, round, seconds)",
    "CREATE INDEX commands_waiting ON commands (id) WHERE state = 'waiting'",
    *_OF_REVIEWS,
)
