"""Events: one row for each change in a project, which open pages read."""

from askmask.store.database import Database


def note(database: Database, kind: str, round: int, rank: int | None = None) -> None:
    """Append an event, in the transaction that is open or in one of its own.

    Kinds are ``"item"`` (an asked region, with its rank), ``"query"`` (many regions of a round) and
    ``"rounds"`` (models, scores, or labels that nobody was asked for).
    """
    with database.writing() as connection:
        connection.execute(
            "INSERT INTO events (kind, round, rank) VALUES (?, ?, ?)", (kind, round, rank)
        )
