"""Files appear whole or not at all, also beside processes that die while they write."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from askmask.whole_files import replacing, write_atomically

DYING = """
import sys, time
from pathlib import Path
from askmask.whole_files import replacing
with replacing(Path(sys.argv[1])) as unfinished:
    unfinished.write_text("half")
    print("writing", flush=True)
    time.sleep(600)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_file_is_written_and_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"

    write_atomically(path, "a: ü\r\n")
    assert path.read_bytes() == "a: ü\r\n".encode()
    write_atomically(path, b"\x00\x01")

    assert path.read_bytes() == b"\x00\x01"
    assert names(tmp_path) == ["config.yaml"]


def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    write_atomically(path, "old")

    def fail() -> None:
        with replacing(path) as unfinished:
            unfinished.write_text("half")
            raise RuntimeError("in the midst")

    with pytest.raises(RuntimeError, match="in the midst"):
        fail()

    assert path.read_text() == "old"
    assert names(tmp_path) == ["results.csv"]


def test_two_that_write_one_file_at_once_leave_one_of_both(tmp_path: Path) -> None:
    path = tmp_path / "x.json"

    with replacing(path) as first, replacing(path) as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")

    assert path.read_text() == "first"
    assert names(tmp_path) == ["x.json"]


def test_what_a_killed_process_left_is_cleared_by_the_next_that_writes(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_atomically(path, "old")
    command = [sys.executable, "-c", DYING, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        write_atomically(path, "beside it")  # the other lives, so its file stays
        assert len(names(tmp_path)) == 2
        process.send_signal(signal.SIGKILL)
    assert path.read_text() == "beside it"
    write_atomically(path, "after it")

    assert path.read_text() == "after it"
    assert names(tmp_path) == ["x.json"]


def test_file_and_its_name_are_flushed_unless_nobody_needs_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed, fsync = [], os.fsync

    def watched(descriptor: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink().is_dir())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    write_atomically(tmp_path / "a", "1")
    assert flushed == [False, True]

    write_atomically(tmp_path / "a", "2", durable=False)
    assert flushed == [False, True]
