"""Shared results: made once by key, by one process at a time, and never left half made."""

import multiprocessing
import time
from pathlib import Path

import pytest

from askmask.runtime.cache import Cache


def make(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")


def test_second_request_of_a_key_finds_what_the_first_made(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    first = cache.get_or_make({"seed": 0}, ".txt", lambda path: make("first", path))
    second = cache.get_or_make({"seed": 0}, ".txt", lambda path: make("second", path))
    assert first == second
    assert second.read_text(encoding="utf-8") == "first"


def test_other_key_is_made_anew(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    one = cache.get_or_make({"seed": 0}, ".txt", lambda path: make("0", path))
    other = cache.get_or_make({"seed": 1}, ".txt", lambda path: make("1", path))
    assert (one.read_text(), other.read_text()) == ("0", "1")


def test_order_of_the_arguments_in_a_key_does_not_matter(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    one = cache.get_or_make({"a": 1, "b": 2}, ".txt", lambda path: make("", path))
    assert cache.get_or_make({"b": 2, "a": 1}, ".txt", lambda path: make("", path)) == one


def test_failed_making_leaves_nothing_and_the_next_one_makes_it(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def fail(path: Path) -> None:
        make("half", path)
        raise RuntimeError("cut off")

    with pytest.raises(RuntimeError, match="cut off"):
        cache.get_or_make({"seed": 0}, ".txt", fail)
    path = cache.get_or_make({"seed": 0}, ".txt", lambda path: make("whole", path))
    assert path.read_text(encoding="utf-8") == "whole"


def make_slowly(folder: Path, word: str) -> None:
    def slowly(path: Path) -> None:
        time.sleep(0.3)
        make(word, path)
        (folder / f"made-{word}").touch()

    Cache(folder).get_or_make({"seed": 0}, ".txt", slowly)


def test_two_processes_make_a_key_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=make_slowly, args=(tmp_path, word)) for word in ("one", "two")
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert len(list(tmp_path.glob("made-*"))) == 1
