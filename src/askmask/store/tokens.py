"""Access rights: tokens for people on other machines, and sessions of the page.

Only digests of secrets are kept: a reader of the database cannot log in with what it holds.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from askmask.errors import ConfigError
from askmask.records import utc_now
from askmask.store.database import Database

MAX_NAME: Final = 64
SESSION_DAYS: Final = 30
"""How long a session lasts; then its person logs in again."""


class Role(StrEnum):
    """Rights of a person: to answer and review, or to steer the worker as well."""

    ANNOTATE = "annotate"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Person:
    """A person who is logged in."""

    name: str
    role: Role


class Access:
    """Tokens and sessions of an open database; reached as ``Store.access``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def make_token(self, name: str, role: Role) -> str:
        """Make a token; it is returned once, and only its digest is kept.

        Raises
        ------
        ConfigError
            If the name cannot be one.
        """
        check_name(name)
        token = secrets.token_urlsafe(32)
        with self._database.writing() as connection:
            connection.execute(
                "INSERT INTO tokens (name, role, digest, made_at) VALUES (?, ?, ?, ?)",
                (name, role.value, _digest(token), utc_now()),
            )
        return token

    def revoke(self, name: str) -> int:
        """End every token of a name, and the sessions that were opened with them."""
        with self._database.writing() as connection:
            cursor = connection.execute(
                "UPDATE tokens SET revoked_at = ? WHERE name = ? AND revoked_at IS NULL",
                (utc_now(), name),
            )
            return cursor.rowcount

    def has_tokens(self) -> bool:
        """Whether anybody could log in with a token."""
        return bool(self._database.rows("SELECT 1 FROM tokens WHERE revoked_at IS NULL LIMIT 1"))

    def person_of_token(self, token: str) -> Person | None:
        """Owner of a token; every kept digest is compared, in a time that tells nothing."""
        found = self._token(token)
        return None if found is None else found[1]

    def open_session(self, person: Person) -> str:
        """Open a session without a token; return its secret."""
        check_name(person.name)
        return self._open(person, None)

    def open_token_session(self, token: str) -> tuple[str, Person] | None:
        """Open a session by a token; return its secret and the person, None if it is no token."""
        found = self._token(token)
        return None if found is None else (self._open(found[1], found[0]), found[1])

    def person_of_session(self, secret: str, *, needs_token: bool) -> Person | None:
        """Owner of a session; with `needs_token` only of one opened with a token that stands."""
        digest = _digest(secret)
        rows = self._database.rows(
            "SELECT session.digest, session.name, session.role FROM sessions AS session"
            " LEFT JOIN tokens AS token ON token.id = session.token"
            " WHERE session.digest = ? AND token.revoked_at IS NULL"
            " AND (session.token IS NOT NULL OR NOT ?) AND session.started_at > ?",
            *(digest, needs_token, _oldest_session()),
        )
        if not rows or not hmac.compare_digest(rows[0][0], digest):
            return None
        return Person(rows[0][1], Role(rows[0][2]))

    def end_session(self, secret: str) -> None:
        """End a session; nothing happens if it has ended."""
        with self._database.writing() as connection:
            connection.execute("DELETE FROM sessions WHERE digest = ?", (_digest(secret),))

    def _token(self, token: str) -> tuple[int, Person] | None:
        digest = _digest(token)
        found = None
        for number, name, role, kept in self._database.rows(
            "SELECT id, name, role, digest FROM tokens WHERE revoked_at IS NULL"
        ):
            if hmac.compare_digest(kept, digest):
                found = (number, Person(name, Role(role)))
        return found

    def _open(self, person: Person, token: int | None) -> str:
        secret = secrets.token_urlsafe(32)
        with self._database.writing() as connection:
            connection.execute(
                "INSERT INTO sessions VALUES (?, ?, ?, ?, ?)",
                (_digest(secret), person.name, person.role.value, token, utc_now()),
            )
        return secret


def check_name(name: str) -> None:
    """Refuse a name that is empty, long, or not printable.

    Raises
    ------
    ConfigError
        Saying what a name may be.
    """
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable() or name != name.strip():
        raise ConfigError(
            f"expected a name of 1 to {MAX_NAME} printable characters without blanks at its ends, "
            f"got {name!r}."
        )


def _oldest_session() -> str:
    """When the oldest session that still stands was started."""
    return (datetime.now(UTC) - timedelta(days=SESSION_DAYS)).isoformat(timespec="milliseconds")


def _digest(secret: str) -> bytes:
    # Secrets are 32 random bytes: nothing to guess, so no slow hash is needed.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
