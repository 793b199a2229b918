"""Commands killed at each of their steps and repeated in the same words, and what is left."""

import contextlib
import csv
import hashlib
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from safetensors.numpy import load_file

_VOLATILE = ("_at", "seconds")
"""How names of columns and keys end that tell a time: no two runs agree in them."""
_NEW_EACH_TIME = {"client_id", "project", "weights"}
"""Keys of what is drawn anew, and of digests of model files, which hold their training's time."""
_NOT_COMPARED = {"worker.lock", "names.json"}


_SIGNS_OF_AN_ALLOCATOR: Final = (
    "std::bad_alloc",  # of a library in C++
    "cannot allocate memory for thread-local data: ABORT",  # of the C library
    "lost sys.stderr",  # of Python, while it reports an exception
)
"""What is printed where memory ends inside a library that cannot tell of it."""


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit status (negative: the signal), what it printed, its steps."""

    status: int
    told: str
    steps: list[str] = field(default_factory=list)


class Runner:
    """Runs commands in forks of one process that has imported everything."""

    def __init__(self) -> None:
        program = Path(__file__).with_name("dying_commands.py")
        self._process = subprocess.Popen(
            [sys.executable, str(program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(
        self,
        below: Path,
        words: list[str],
        *,
        die_at: int | None = None,
        limits: dict[str, int] | None = None,
    ) -> Ended:
        """Run one command with a folder as its working directory; paths in words are relative.

        It dies at a step, or is limited as `dying_commands.limit` says.
        """
        names = below.parent / "names.json"
        names.unlink(missing_ok=True)
        job = {
            "below": str(below),
            "words": words,
            "die_at": die_at,
            "limits": limits or {},
            "names": str(names) if die_at is None and limits is None else None,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        reply = json.loads(self._process.stdout.readline())
        steps = json.loads(names.read_text(encoding="utf-8")) if names.is_file() else []
        return Ended(reply["status"], reply["told"], steps)

    def close(self) -> None:
        """End the process that forks."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._process.kill()  # torch takes seconds to unload
        self._process.wait()


@contextlib.contextmanager
def running() -> Iterator[Runner]:
    """Keep a runner while the block does."""
    runner = Runner()
    try:
        yield runner
    finally:
        runner.close()


@dataclass
class Campaign:
    """One command, killed again and again.

    Attributes
    ----------
    runner : Runner
    before : Path
        Folder with everything that the command needs; it is copied for each kill.
    words : list of str
        The command.
    said_whole : tuple of str
        What the repeated command may say instead of doing anything, if all was there already.
    again : list of str
        Words that the message may ask for, such as ``--resume``.
    """

    runner: Runner
    before: Path
    words: list[str]
    said_whole: tuple[str, ...] = ()
    again: list[str] = field(default_factory=list)

    def run(self, place: Path, pick: Callable[[list[str]], list[int]]) -> int:
        """Kill the command at the picked of its steps; return how often.

        Raises
        ------
        AssertionError
            If what the repetition leaves differs from what a command leaves that nobody killed.
        """
        whole = self._copy(place)
        ended = self.runner.run(whole, self.words)
        assert ended.status == 0, ended.told
        expected = contents(whole)
        picked = pick(ended.steps)
        for number in picked:
            root = self._copy(place)
            killed = self.runner.run(root, self.words, die_at=number)
            assert killed.status == -signal.SIGKILL, (ended.steps[number], killed)
            self._repeat(root, ended.steps[number], expected)
        return len(picked)

    def starve(self, place: Path, limits: list[dict[str, int]]) -> dict[str, int]:
        """Run the command with too little of something; return how often it ended how.

        Where memory ends inside a library that cannot tell of it, the command may end as if it was
        killed. A training that found too little memory leaves a row that says so, which is not
        compared.

        Raises
        ------
        AssertionError
            If it ended otherwise, or if what the repetition leaves differs from what a command
            leaves that had enough.
        """
        whole = self._copy(place)
        ended = self.runner.run(whole, self.words)
        assert ended.status == 0, ended.told
        expected = contents(whole)
        found = {"done": 0, "refused": 0, "aborted": 0}
        for limit in limits:
            root = self._copy(place)
            ended = self.runner.run(root, self.words, limits=limit)
            how = _how_it_ended(ended, limit)
            found[how] += 1
            if how != "done":
                self._repeat(root, f"with {limit}", expected)
        return found

    def _copy(self, place: Path) -> Path:
        root = place / "killed" / "here"  # always the same: some files hold their path
        shutil.rmtree(root.parent, ignore_errors=True)
        shutil.copytree(self.before, root)
        return root

    def _repeat(self, root: Path, step: str, expected: dict[str, str]) -> None:
        ended = self.runner.run(root, self.words)
        if ended.status == 2 and self.again and self.again[0] in ended.told:
            ended = self.runner.run(root, [*self.words, *self.again])
        is_whole = ended.status == 2 and any(words in ended.told for words in self.said_whole)
        assert ended.status == 0 or is_whole, f"killed before {step!r}: {ended.told}"
        found = contents(root)
        different = [n for n in sorted({*found, *expected}) if found.get(n) != expected.get(n)]
        assert not different, f"killed before {step!r}: {different}"


def _how_it_ended(ended: Ended, limit: dict[str, int]) -> str:
    if "memory" in limit and ended.status == 2:
        # Threads and libraries may print what they had to ignore before the command ends.
        assert "OutOfMemory: expected" in ended.told, (limit, ended.told)
        return "refused"
    if "memory" in limit and any(sign in ended.told for sign in _SIGNS_OF_AN_ALLOCATOR):
        return "aborted"
    assert ended.status in {0, 2}, (limit, ended)
    assert "memory" in limit or "Traceback" not in ended.told, (limit, ended.told)
    return "done" if ended.status == 0 else "refused"


def every(steps: list[str]) -> list[int]:
    """All steps."""
    return list(range(len(steps)))


def some(count: int) -> Callable[[list[str]], list[int]]:
    """So many steps, spread evenly, the last one among them."""

    def pick(steps: list[str]) -> list[int]:
        wanted = min(count, len(steps))
        return sorted({len(steps) - 1 - len(steps) * place // wanted for place in range(wanted)})

    return pick


def contents(root: Path) -> dict[str, str]:
    """What a folder holds, by relative path, without what depends on the time of a run."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_dir() or path.name in _NOT_COMPARED or path.suffix in {".db-wal", ".db-shm"}:
            continue
        if path.name.endswith(("-wal", "-shm")):
            continue
        if path.parent.name == "cache" and "unfinished" not in path.name:
            continue  # named by digests of model files, which hold their training's time
        found[name] = _digest(_content(path))
    return found


def _content(path: Path) -> Any:  # Any: what JSON holds
    if path.suffix == ".db":
        return _rows(path)
    if path.suffix == ".safetensors":
        return {name: _digest(array.tobytes()) for name, array in load_file(path).items()}
    if path.suffix == ".html":
        return "a report"  # it tells seconds
    if path.suffix == ".csv":
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        return [_timeless(row) for row in rows]
    if path.suffix == ".json":
        return _timeless(json.loads(path.read_text(encoding="utf-8")))
    return path.read_bytes()


def _rows(path: Path) -> dict[str, Any]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        tables = [
            str(row[0])
            for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        ]
        rows = {
            table: [_timeless(dict(row)) for row in connection.execute(f"SELECT * FROM {table}")]
            for table in sorted(set(tables) - {"identity", "sqlite_sequence", "migrations"})
        }
    if "trainings" in rows:
        attempts = [row for row in rows["trainings"] if row["status"] != "failed" or row["model"]]
        rows["trainings"] = [row | {"id": place} for place, row in enumerate(attempts, start=1)]
    return rows


def _timeless(tree: Any) -> Any:
    if isinstance(tree, dict):
        if str(tree.get("metric", "")).endswith(_VOLATILE):
            return tree | {"value": None}
        return {
            key: _digest(value) if isinstance(value, bytes) else _timeless(value)
            for key, value in tree.items()
            if not key.endswith(_VOLATILE) and key not in _NEW_EACH_TIME
        }
    return [_timeless(part) for part in tree] if isinstance(tree, list) else tree


def _digest(content: Any) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content, sort_keys=True).encode()
    return hashlib.blake2b(raw, digest_size=12).hexdigest()
