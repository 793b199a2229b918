import doctest
import multiprocessing
import os
import pickle
import signal
import socket
import subprocess
import sys
import textwrap
import time
import types
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest

import executor_jobs as jobs
from askmask.errors import ConfigError
from askmask.runtime import executors
from askmask.runtime.executors import Outcome, Processes, Serial
from askmask.testing.executors import ExecutorContract, by_index, square


class TestSerial(ExecutorContract):
    @pytest.fixture
    def executor(self):
        return Serial()

    def test_outcomes_come_in_the_order_of_the_items(self, executor):
        assert [outcome.index for outcome in executor.map(square, range(5))] == list(range(5))

    def test_keyboard_interrupt_is_not_an_outcome(self, executor):
        def interrupt(_item):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            list(executor.map(interrupt, [1]))

    def test_example_runs(self):
        (example,) = doctest.DocTestFinder(recurse=False).find(
            Serial, globs={"Serial": Serial}, module=False
        )
        assert doctest.DocTestRunner().run(example) == (0, 1)


class TestProcesses(ExecutorContract):
    @pytest.fixture
    def executor(self):
        return Processes(workers=2, threads=1)

    def test_a_killed_process_is_an_outcome_and_the_others_go_on(self, executor):
        outcomes = by_index(executor.map(jobs.kill_if_negative, [1, -1, 2, 3]))
        assert [outcome.value for outcome in outcomes] == [1, None, 2, 3]
        assert "killed by SIGKILL" in outcomes[1].error

    def test_outcomes_come_in_the_order_in_which_jobs_end(self, executor, tmp_path):
        late, early = tmp_path / "late", tmp_path / "early"
        early.touch()
        outcomes = executor.map(jobs.wait_for, [late, early])
        first = next(outcomes)
        late.touch()
        assert [first.index, next(outcomes).index] == [1, 0]

    def test_each_job_has_a_process_of_its_own(self, executor):
        pids = {outcome.value for outcome in executor.map(jobs.process_id, range(3))}
        assert len(pids) == 3
        assert os.getpid() not in pids

    def test_closing_the_iterator_ends_the_running_jobs(self, executor, tmp_path):
        (tmp_path / "ready").touch()
        outcomes = executor.map(run_either, [("wait_for", tmp_path / "ready"), ("hang", tmp_path)])
        next(outcomes)
        (child,) = multiprocessing.active_children()
        outcomes.close()
        assert not child.is_alive()

    def test_a_function_that_cannot_be_sent_raises_and_leaves_no_process(self, executor):
        with pytest.raises((pickle.PicklingError, AttributeError)):
            list(executor.map(lambda item: item, [1]))
        assert multiprocessing.active_children() == []

    def test_a_result_that_cannot_be_sent_is_an_error_of_its_job(self, executor):
        (outcome,) = executor.map(make_lambda, [1])
        assert outcome.error.startswith("result cannot be sent: ")

    def test_a_result_that_cannot_be_read_is_an_error_of_its_job(self, executor):
        (outcome,) = executor.map(Unreadable, [1])
        assert outcome.error == "result cannot be read: RuntimeError: not here"

    def test_a_job_that_cannot_be_loaded_is_an_error(self, executor):
        (outcome,) = executor.map(square, [Unreadable(1)])
        assert outcome.error == "job cannot be loaded: RuntimeError: not here"

    def test_a_large_result_comes_through(self, executor):
        (outcome,) = executor.map(bytes, [5_000_000])
        assert len(outcome.value) == 5_000_000

    def test_a_process_that_ends_without_a_result_is_an_error(self, executor):
        (outcome,) = executor.map(os._exit, [7])
        assert outcome.error == "the process ended with exit code 7 without a result"

    def test_a_dead_worker_is_noticed_though_its_child_lives_on(
        self, executor, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(executors, "_WAKE_SECONDS", 0.05)
        try:
            (outcome,) = executor.map(fork_and_die, [tmp_path / "done"])
        finally:
            (tmp_path / "done").touch()
        assert "killed by SIGKILL" in outcome.error

    def test_a_stubborn_job_is_killed(self, executor, tmp_path, monkeypatch):
        monkeypatch.setattr(executors, "_GRACE_SECONDS", 0.1)
        outcomes = executor.map(
            run_either, [("wait_for", tmp_path / "pid"), ("stubborn", tmp_path)]
        )
        next(outcomes)
        (child,) = multiprocessing.active_children()
        outcomes.close()
        assert child.exitcode == -signal.SIGKILL

    def test_an_interrupt_while_a_process_starts_ends_that_process(self, executor, monkeypatch):
        start = SpawnProcess.start

        def start_and_interrupt(process):
            start(process)
            raise KeyboardInterrupt

        monkeypatch.setattr(SpawnProcess, "start", start_and_interrupt)
        with pytest.raises(KeyboardInterrupt):
            list(executor.map(square, [1]))
        assert multiprocessing.active_children() == []

    def test_an_interrupt_before_a_process_starts_leaves_nothing(self, executor, monkeypatch):
        def interrupt(_process):
            raise KeyboardInterrupt

        monkeypatch.setattr(SpawnProcess, "start", interrupt)
        with pytest.raises(KeyboardInterrupt):
            list(executor.map(square, [1]))
        assert multiprocessing.active_children() == []

    @pytest.mark.slow  # imports torch in the worker
    def test_torch_in_the_worker_has_the_threads_asked_for(self):
        (outcome,) = Processes(workers=1, threads=1).map(jobs.threads_of_torch, [None])
        assert outcome.value == 1

    def test_threads_are_bounded_in_the_worker_and_nowhere_else(self, monkeypatch):
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        (outcome,) = Processes(workers=1, threads=3).map(os.getenv, ["OMP_NUM_THREADS"])
        assert outcome.value == "3"
        assert "OMP_NUM_THREADS" not in os.environ

    @pytest.mark.parametrize(("workers", "threads"), [(1, 8), (3, 2), (9, 1)])
    def test_without_a_number_of_threads_the_workers_share_the_cores(
        self, workers, threads, monkeypatch
    ):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)))
        assert Processes(workers).threads == threads

    @pytest.mark.parametrize(("workers", "threads"), [(0, None), (1, 0)])
    def test_numbers_below_one_are_refused(self, workers, threads):
        with pytest.raises(ConfigError, match="workers >= 1"):
            Processes(workers, threads)


class Unreadable:
    """Can be pickled, but not be read again."""

    def __init__(self, number):
        self.number = number

    def __reduce__(self):
        return refuse, (self.number,)


def refuse(_number):
    raise RuntimeError("not here")


def make_lambda(_item):
    return lambda: None


def fork_and_die(path):
    """Be killed, while a child goes on that holds open whatever this process had open."""
    if os.fork() == 0:
        jobs.wait_for(path)
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)


def run_either(task):
    kind, path = task
    if kind == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        (path / "pid").touch()
    if kind == "wait_for":
        return jobs.wait_for(path)
    return jobs.wait_for(path / "never")


PARENT = """
    import signal
    import sys
    from executor_jobs import say_pid_and_wait
    from askmask.runtime.executors import Processes

    if __name__ == "__main__":
        # A shell starts background jobs with SIGINT ignored, and children inherit that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        list(Processes(workers=2, threads=1).map(say_pid_and_wait, [sys.argv[1]] * 3))
"""


class TestEndOfTheParent:
    @pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
    def test_no_worker_outlives_its_parent(self, ending, tmp_path):
        script = tmp_path / "parent.py"
        script.write_text(textwrap.dedent(PARENT), encoding="utf-8")
        paths = [str(Path(jobs.__file__).parent), os.environ.get("PYTHONPATH", "")]
        parent = subprocess.Popen(
            [sys.executable, str(script), str(tmp_path)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
            stderr=subprocess.PIPE,
        )
        with parent:
            try:
                pids = wait_until(lambda: len(worker_pids(tmp_path)) == 2 and worker_pids(tmp_path))
                parent.send_signal(ending)
                parent.communicate(timeout=20)
            finally:
                parent.kill()  # a failure leaves nothing running either
        assert parent.returncode == -ending
        wait_until(lambda: not any(is_running(pid) for pid in pids))
        assert len(worker_pids(tmp_path)) == 2  # the third job never started


def worker_pids(folder):
    return [int(path.name.removeprefix("pid_")) for path in folder.glob("pid_*")]


def is_running(pid):
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"  # a zombie has ended


def wait_until(claim):
    """Return the first true value of the claim."""
    patience = time.monotonic() + 20
    while not (value := claim()):
        assert time.monotonic() < patience, "waited 20 s in vain"
        time.sleep(0.01)
    return value


def shut_down(file_number):
    """End the connection behind a file number, whoever else holds it."""
    with socket.socket(fileno=os.dup(file_number)) as connection:
        connection.shutdown(socket.SHUT_RDWR)


class TestWorker:
    """The worker's side, without a process around it."""

    @pytest.fixture
    def pipe(self):
        here, there = multiprocessing.Pipe()
        with here, there:
            yield here, there

    @pytest.mark.parametrize(
        ("function", "item", "expected"),
        [
            (square, 3, Outcome(7, 9)),
            (square, Unreadable(1), "job cannot be loaded: RuntimeError: not here"),
            (make_lambda, 1, "result cannot be sent: "),
        ],
    )
    def test_a_job_is_answered_with_its_outcome(self, pipe, function, item, expected):
        here, there = pipe
        here.send((function, item))
        executors.answer_one(there, 7)
        outcome = here.recv()
        assert outcome == expected or outcome.error.startswith(expected)

    def test_a_parent_that_has_gone_before_the_job_came_is_no_error(self, pipe):
        here, there = pipe
        here.close()
        executors.answer_one(there, 0)
        assert there.poll()

    def test_a_parent_that_has_gone_during_the_job_is_no_error(self, pipe):
        here, there = pipe
        here.send((shut_down, here.fileno()))
        executors.answer_one(there, 0)
        assert there.poll()

    def test_threads_bound_libraries_to_come_and_a_torch_that_is_loaded(self, monkeypatch):
        asked = []
        torch = types.SimpleNamespace(set_num_threads=asked.append)
        monkeypatch.setitem(sys.modules, "torch", torch)
        for name in executors.THREAD_VARIABLES:
            monkeypatch.setenv(name, "9")
        executors.limit_threads(3)
        assert asked == [3]
        assert {os.environ[name] for name in executors.THREAD_VARIABLES} == {"3"}

    def test_threads_bound_libraries_to_come_without_loading_torch(self, monkeypatch):
        monkeypatch.delitem(sys.modules, "torch", raising=False)
        monkeypatch.setattr(os, "environ", {})
        executors.limit_threads(2)
        assert os.environ["OMP_NUM_THREADS"] == "2"
        assert "torch" not in sys.modules

    @pytest.mark.parametrize(
        ("exit_code", "said"),
        [
            (None, "did not end"),
            (0, "exit code 0 without a result"),
            (-signal.SIGSEGV, "killed by SIGSEGV"),
            (-signal.SIGKILL, "memory runs out"),
        ],
    )
    def test_a_death_is_said_in_words(self, exit_code, said):
        assert said in executors.cause_of_death(exit_code)

    def test_an_error_is_one_line_even_if_its_message_is_not(self):
        assert executors.one_line(ValueError("two\n  lines")) == "ValueError: two lines"
        assert executors.one_line(MemoryError()) == "MemoryError"
