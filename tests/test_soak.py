"""A short form of the campaign, and parts of it that take longer; ``make soak`` runs all of it."""

from pathlib import Path

import pytest

from chromium_here import CHROMIUM, NO_CHROMIUM
from killed_commands import some
from soak.commands import starve_commands
from soak.files import attack_with_files
from soak.floods import flood
from soak.hardship import endure
from soak.requests import attack_with_requests
from soak.texts import read_stored_texts


def test_hostile_requests_get_no_server_error_no_traceback_and_no_memory(tmp_path: Path) -> None:
    assert attack_with_requests(tmp_path, 300)["requests"] == 300


def test_hostile_files_are_read_or_refused_in_words(tmp_path: Path) -> None:
    assert len(attack_with_files(tmp_path, 6)) == 13


@pytest.mark.slow
@pytest.mark.parametrize("with_worker", [False, True])
def test_many_hostile_requests(tmp_path: Path, with_worker: bool) -> None:
    attack_with_requests(tmp_path, 5000, seed=7, with_worker=with_worker)


@pytest.mark.slow
def test_floods_keep_nobody_waiting(tmp_path: Path) -> None:
    flood(tmp_path, 1500, longest_seconds=5.0)  # other tests run beside this one


@pytest.mark.slow
def test_many_hostile_files(tmp_path: Path) -> None:
    attack_with_files(tmp_path, 150, seed=7)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["server stopped", "database locked", "disk full", "clock set back"]
)
def test_hardship(tmp_path: Path, name: str) -> None:
    endure(tmp_path, [name])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["init", "train", "predict"])
def test_commands_with_too_little_of_something(tmp_path: Path, name: str) -> None:
    starve_commands(tmp_path, [name])


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)
def test_no_stored_text_becomes_a_script_or_a_formula(tmp_path: Path) -> None:
    read_stored_texts(tmp_path)


def test_steps_are_picked_evenly_with_the_last() -> None:
    assert some(3)(list("abcdefghij")) == [3, 6, 9]
    assert some(9)(list("ab")) == [0, 1]
