"""Too little memory is told in one sentence, recorded, and not tried again and again."""

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import askmask.serve.failures as failures_module
from askmask.config import Config
from askmask.errors import OutOfMemory, ProjectError
from askmask.loop.project import Project
from askmask.runtime.memory import free_bytes, is_out_of_memory, memory_problem
from askmask.sampling.predictors import MonteCarloDropout
from askmask.serve.failures import Failures
from askmask.serve.worker import Worker
from at_work import answer, open_items, rounds, state, work
from fakes import TinyModel

Build = Callable[..., Config]

ON_PROCESSOR = (
    "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: "
    "you tried to allocate 3221225472 bytes. Error code 12 (Cannot allocate memory)"
)
ON_GPU = (
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8.00 GiB of "
    "which 512.00 MiB is free."
)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            RuntimeError(ON_PROCESSOR),
            "expected 3.0 GiB more memory for it, but .* were free. Less.",
        ),
        (RuntimeError(ON_GPU), "expected 2.0 GiB more memory for it, but 0.5 GiB were free. Less."),
        (MemoryError(), "expected more memory for it, but .* were free. Less."),
        (MemoryError("Unable to allocate 600. MiB for an array"), "expected 0.6 GiB more memory"),
        (SystemError("error return without exception set"), "expected more memory for it"),
        (ValueError("encoding error 1"), "expected more memory for it"),  # of a WebP picture
    ],
)
def test_too_little_memory_is_told_with_what_was_needed_and_free(
    error: Exception, told: str
) -> None:
    problem = memory_problem(error, "it", "Less.")
    with pytest.raises(OutOfMemory, match=told):
        raise problem or error


@pytest.mark.parametrize(
    "error",
    [RuntimeError("shape mismatch"), ValueError("out of memory"), ProjectError("bad_alloc")],
)
def test_other_errors_are_no_lack_of_memory(error: Exception) -> None:
    assert not is_out_of_memory(error)
    assert memory_problem(error, "it", "Less.") is None


def test_limit_of_the_address_space_bounds_what_is_free() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    unlimited = free_bytes()
    resource.setrlimit(resource.RLIMIT_AS, (2**45, before[1]))
    try:
        limited = free_bytes()
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    assert unlimited is not None
    assert limited is not None
    assert 0 < limited <= 2**45


class Greedy(TinyModel):
    """Finds no memory for more than two samples at a time."""

    def suffix(self, features, noise, *, boundary):
        if features[0].shape[0] > 2:
            raise RuntimeError(ON_PROCESSOR)
        return super().suffix(features, noise, boundary=boundary)


def test_fewer_samples_at_a_time_are_tried_when_memory_is_short(
    caplog: pytest.LogCaptureFixture,
) -> None:
    torch.manual_seed(0)
    greedy, modest = Greedy(2), TinyModel(2)
    modest.load_state_dict(greedy.state_dict())
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    named = {"seed": 0, "round": 0, "image_id": "x", "boundary": False}

    found = MonteCarloDropout(greedy, 8, chunk=8).predict(image, **named)

    expected = MonteCarloDropout(modest, 8, chunk=2).predict(image, **named)
    torch.testing.assert_close(found.sums.sum_probs, expected.sums.sum_probs)
    assert caplog.text.count("too little memory") == 2  # for 8, for 4


def test_one_sample_that_does_not_fit_is_an_error() -> None:
    class Hopeless(TinyModel):
        def suffix(self, features, noise, *, boundary):
            raise RuntimeError(ON_PROCESSOR)

    image = np.zeros((32, 32, 3), np.uint8)
    with pytest.raises(RuntimeError, match="can't allocate"):
        MonteCarloDropout(Hopeless(2), 4).predict(
            image, seed=0, round=0, image_id="x", boundary=False
        )


def too_large(tmp_path: Path, disc_config: Build) -> Path:
    """Project whose training wants some 2 GB for a step."""
    training = {"batch_size": 512, "crop": 256}
    config = disc_config(training=training, model={"options": {"base_channels": 16, "depth": 2}})
    Project.create(tmp_path / "p", config).close()
    return tmp_path / "p"


def starved(verb: str, root: Path) -> subprocess.CompletedProcess[str]:
    program = Path(__file__).with_name("starved_training.py")
    command = [sys.executable, str(program), verb, str(root), "600"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.slow
@pytest.mark.parametrize("times", [pytest.param(1, marks=pytest.mark.long), 2])
def test_training_that_does_not_fit_ends_in_one_sentence_and_may_be_repeated(
    tmp_path: Path, disc_config: Build, times: int
) -> None:
    root = too_large(tmp_path, disc_config)
    for _ in range(times):  # the second time it says the same: no attempt was used up
        ended = starved("train", root)
        assert ended.returncode == 2, ended.stderr
        told = " ".join(ended.stderr.split())
        assert told.startswith("OutOfMemory: expected "), told
        assert "for training on batches of 512 crops of 256 x 256 pixels, but " in told
        assert "Lower training.batch_size or training.crop in askmask.yaml" in told
        assert "Traceback" not in told
    with Project.open(root) as project:
        assert [(r.status, r.steps) for r in project.store.trainings()] == [("failed", 0)] * times


@pytest.mark.slow
def test_worker_records_it_once_and_shows_it(tmp_path: Path, disc_config: Build) -> None:
    root = too_large(tmp_path, disc_config)
    ended = starved("work", root)
    assert ended.returncode == 0, ended.stderr
    with Project.open(root) as project:
        told = project.store.control.worker()
        assert [r.status for r in project.store.trainings()] == ["failed"]
        assert told is not None
        assert told.state == "failed"
        assert told.message.startswith("expected ")


def test_worker_waits_longer_each_time_and_is_never_failed_without_a_reason(
    warm: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(failures_module.time, "monotonic", lambda: now)
    tried = []

    def fail(*_: object) -> None:
        tried.append(now)
        raise MemoryError

    worker = Worker(warm)
    work(worker)
    assert state(warm) == "idle"
    monkeypatch.setattr("askmask.loop.train._fit_members", fail)
    answer(warm, len(open_items(warm)))
    for _ in range(250):
        now += 60.0
        warm.store.add_answer(next(warm.store.answers()))
        worker.turn()
        shown = warm.store.control.worker()
        assert shown is not None
        assert shown.message or shown.state != "failed"
    assert np.diff(tried)[:6].tolist() == [60, 120, 240, 480, 960, 1920]
    assert rounds(warm)[-1][1] == "failed"


def test_order_to_train_tries_at_once() -> None:
    failures = Failures(lambda: 7)
    with pytest.raises(OutOfMemory), failures.noting("train"):
        raise MemoryError
    assert failures.has("train")
    assert failures.message() is not None
    failures.forget()
    assert not failures.has("train")
