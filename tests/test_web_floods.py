"""A server under floods of connections, in a process of its own: others are served meanwhile."""

import socket
import sqlite3
import threading
import time
from collections.abc import Iterator

import pytest

from askmask.loop.project import Project
from people import Client
from served import Build, make_project
from server_processes import Server, answers, serving

DESCRIPTORS = 256
"""What the system allows the server; the floods are larger, and so would stop it for good."""
FLOOD = 400
WORST_SECONDS = 5.0
"""A reply takes milliseconds, and may wait for a busy machine; a starved server never replies."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, disc_config: Build) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("floods") / "p"
    make_project(root, disc_config()).close()
    with serving(root, with_worker=False, descriptors=DESCRIPTORS) as server:
        yield server


def connect(port: int, first: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(first)
    return connection


def assert_others_are_served(port: int) -> None:
    for _ in range(3):
        started = time.monotonic()
        assert answers(port)
        assert time.monotonic() - started < WORST_SECONDS


@pytest.mark.parametrize(
    "first",
    [b"", b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\nX: ", b"\x16\x03\x01"],
    ids=["idle", "half a head", "no HTTP"],
)
def test_connections_that_ask_nothing_keep_nobody_out(server: Server, first: bytes) -> None:
    flood = [connect(server.port, first) for _ in range(FLOOD)]
    try:
        assert_others_are_served(server.port)
    finally:
        for connection in flood:
            connection.close()
    assert_others_are_served(server.port)


def test_bodies_that_never_come_keep_nobody_out(server: Server) -> None:
    head = (
        b"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\nContent-Length: 4000\r\n\r\n{"
    )
    flood = [connect(server.port, head) for _ in range(FLOOD)]
    try:
        assert_others_are_served(server.port)
    finally:
        for connection in flood:
            connection.close()


@pytest.mark.slow
@pytest.mark.long
def test_chunks_without_end_are_refused(server: Server) -> None:
    head = (
        b"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\nContent-Length: 4000\r\n\r\n"
    )
    started = time.monotonic()
    with connect(server.port, head) as connection:
        connection.settimeout(60)
        for _ in range(100):
            connection.sendall(b" ")
        reply = connection.recv(1000)

    assert b" 408 " in reply.split(b"\r\n", 1)[0]
    assert time.monotonic() - started < 60


def test_database_held_from_outside_stops_no_reader(server: Server) -> None:
    ada = Client("Ada", server.port)
    assert ada.ask("GET", "/items")[0] == 200
    grace = Client("Ada", server.port)
    grace.cookie = ada.cookie
    outside = sqlite3.connect(server.root / "askmask.db", isolation_level=None)
    outside.execute("BEGIN IMMEDIATE")
    try:
        waiting = threading.Thread(target=ada.ask, args=("POST", "/items/next", {}))
        waiting.start()
        time.sleep(0.3)  # until the server waits for the lock
        started = time.monotonic()
        status, _ = grace.ask("GET", "/items")

        assert status == 200
        assert time.monotonic() - started < WORST_SECONDS
        assert_others_are_served(server.port)
    finally:
        outside.execute("ROLLBACK")
        outside.close()
        waiting.join(60)
        ada.close()
        grace.close()


def test_server_s_database_is_sound_after_all_that(server: Server) -> None:
    with Project.open(server.root) as project:
        assert project.store.newest_query() is not None
