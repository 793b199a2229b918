"""A training that was killed and resumed equals an uninterrupted one bit for bit."""

import json
import logging
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

import killed_training
from askmask.config import TrainingConfig
from askmask.training import plan
from askmask.training.checkpoint import (
    Checkpoint,
    read_checkpoint,
    remove_checkpoint,
    write_checkpoint,
)
from askmask.training.fit import StepReport, TrainingResult, fit_network
from fakes import TinyModel, drawn_training_set

SCRIPT = Path(killed_training.__file__)
TINY = Checkpoint(7, 1.5, {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(3)}, 9, 0.25)


def assert_same_bits(one: nn.Module, two: nn.Module) -> None:
    for name, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[name]), name


def stop_after(step: int) -> Any:  # Any: a callback
    def on_step(report: StepReport) -> None:
        if report.step == step:
            raise InterruptedError

    return on_step


def fit(checkpoint: Path | None, **changes: Any) -> tuple[TinyModel, TrainingResult]:
    names = ("model", "seed", "round", "attempt", "labelled_digest", "on_step")
    given = {"seed": 0, "round": 0} | {k: v for k, v in changes.items() if k in names}
    settings = {k: v for k, v in changes.items() if k not in names}
    small = {"steps": 6, "batch_size": 2, "crop": 32, "checkpoint_every": 2}
    model = given.pop("model", None) or TinyModel(2)
    config = TrainingConfig(**(small | settings))
    return model, fit_network(model, drawn_training_set(3), config, checkpoint=checkpoint, **given)


def interrupted(checkpoint: Path, after: int, **changes: Any) -> None:
    with pytest.raises(InterruptedError):
        fit(checkpoint, on_step=stop_after(after), **changes)


def start(checkpoint: Path, *die_after: int, ended_by: str = "steps") -> subprocess.Popen[bytes]:
    path = os.pathsep.join([str(SCRIPT.parent), *sys.path])  # the same askmask as here
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    steps = [str(step) for step in die_after]
    arguments = [str(SCRIPT), ended_by, str(checkpoint), *steps]
    return subprocess.Popen([sys.executable, *arguments], env=environment)


def test_killed_training_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    checkpoint = tmp_path / "training.checkpoint"
    assert start(checkpoint, 1, 3, 4, 7, 8).wait(timeout=120) == 0
    assert checkpoint.is_file()
    resumed, result = killed_training.run(checkpoint, None)
    uninterrupted, _ = killed_training.run(None, None)
    assert (result.status, result.steps) == ("finished", 9)
    assert_same_bits(resumed, uninterrupted)


@pytest.mark.slow
@pytest.mark.long
def test_killed_training_by_time_does_the_steps_it_planned_before_it_was_killed(
    tmp_path: Path,
) -> None:
    checkpoint = tmp_path / "training.checkpoint"
    assert start(checkpoint, 1, 7, 12, ended_by="time").wait(timeout=120) == 0
    planned = int(state_of(checkpoint)["steps"])
    resumed, result = killed_training.run(checkpoint, None, killed_training.BY_TIME)
    of_steps = plan.of_steps(killed_training.BY_TIME, planned)
    uninterrupted, reference = killed_training.run(None, None, of_steps)
    assert result.steps == planned == reference.steps
    assert_same_bits(resumed, uninterrupted)


@pytest.mark.slow
def test_training_killed_at_any_moment_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    checkpoint = tmp_path / "training.checkpoint"
    for number in range(6):
        process = start(checkpoint)
        deadline = time.monotonic() + 60
        while not checkpoint.is_file() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.004 * number)
        process.kill()
        process.wait(timeout=60)
    resumed, _ = killed_training.run(checkpoint, None)
    assert_same_bits(resumed, killed_training.run(None, None)[0])


@pytest.mark.parametrize("after", [1, 2, 3, 5])
@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_resumed_training_equals_an_uninterrupted_one(
    tmp_path: Path, after: int, optimizer: str
) -> None:
    checkpoint = tmp_path / "made" / "on" / "demand"
    interrupted(checkpoint, after, optimizer=optimizer)
    resumed, result = fit(checkpoint, optimizer=optimizer)
    uninterrupted, reference = fit(None, optimizer=optimizer)
    assert_same_bits(resumed, uninterrupted)
    assert result.loss == reference.loss


def test_resumed_training_does_only_the_steps_that_are_left(tmp_path: Path) -> None:
    checkpoint = tmp_path / "c"
    interrupted(checkpoint, 5)
    reports: list[StepReport] = []
    fit(checkpoint, on_step=reports.append)
    assert [report.step for report in reports] == [5, 6]


def test_seconds_before_the_interruption_are_counted(tmp_path: Path) -> None:
    checkpoint = tmp_path / "c"
    interrupted(checkpoint, 3)
    fingerprint = fingerprint_of(checkpoint)
    before = read_checkpoint(checkpoint, fingerprint)
    write_checkpoint(checkpoint, replace(before, elapsed_seconds=1000.0), fingerprint)
    _, result = fit(checkpoint)
    assert before.step == 2
    assert 1000 < result.elapsed_seconds < 1100


def fingerprint_of(checkpoint: Path) -> dict[str, Any]:
    with safe_open(checkpoint, framework="pt") as file:
        return json.loads(file.metadata()["of"])


def state_of(checkpoint: Path) -> dict[str, float]:
    with safe_open(checkpoint, framework="pt") as file:
        return json.loads(file.metadata()["state"])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "seed"),
        ({"round": 1}, "round"),
        ({"attempt": 1}, "attempt"),
        ({"learning_rate": 0.5}, "config"),
        ({"labelled_digest": "more answers"}, "labels"),
        ({"model": TinyModel(2, seed=1)}, "weights"),
    ],
)
def test_checkpoint_of_another_training_is_ignored_and_named_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, change: dict[str, Any], named: str
) -> None:
    checkpoint = tmp_path / "c"
    interrupted(checkpoint, 3, **change)
    model, _ = fit(checkpoint)
    assert_same_bits(model, fit(None)[0])
    assert f"different {named}" in caplog.text


def test_damaged_checkpoint_is_ignored_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint = tmp_path / "c"
    interrupted(checkpoint, 3)
    checkpoint.write_bytes(checkpoint.read_bytes()[:-10])
    model, _ = fit(checkpoint)
    assert_same_bits(model, fit(None)[0])
    assert "cannot be read" in caplog.text


def test_foreign_file_is_no_checkpoint(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "c")
    assert read_checkpoint(tmp_path / "c", {}) is None
    assert "expected format 'askmask-checkpoint-2', got None" in caplog.text


def test_checkpoint_is_gone_when_the_training_has_ended(tmp_path: Path) -> None:
    fit(tmp_path / "finished")
    _, failed = fit(tmp_path / "failed", learning_rate=1e30, steps=50, checkpoint_every=1)
    assert failed.status == "failed"
    assert list(tmp_path.iterdir()) == []


def test_checkpoint_is_written_every_so_many_steps(tmp_path: Path) -> None:
    checkpoint, present = tmp_path / "c", []
    fit(checkpoint, on_step=lambda _: present.append(checkpoint.is_file()))
    assert present == [False, False, True, True, True, True]  # reported before it is written


def test_training_without_a_checkpoint_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fit(None)
    assert list(tmp_path.iterdir()) == []


def test_taking_up_a_training_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    interrupted(tmp_path / "c", 5)
    with caplog.at_level(logging.INFO):
        fit(tmp_path / "c")
    assert "after step 4" in caplog.text


def test_checkpoint_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "c", TINY, {"seed": 2**100, "images": ("a", "b")})
    read = read_checkpoint(tmp_path / "c", {"seed": 2**100, "images": ("a", "b")})
    assert (read.step, read.elapsed_seconds) == (7, 1.5)
    assert read.tensors.keys() == {"a", "b"}
    assert all(torch.equal(read.tensors[name], TINY.tensors[name]) for name in ("a", "b"))


def test_channels_last_and_shared_tensors_can_be_kept(tmp_path: Path) -> None:
    weight = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    write_checkpoint(tmp_path / "c", Checkpoint(1, 0.0, {"a": weight, "b": weight[:1]}, 1), {})
    read = read_checkpoint(tmp_path / "c", {})
    assert torch.equal(read.tensors["a"], weight)
    assert torch.equal(read.tensors["b"], weight[:1])


def test_crash_while_writing_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(descriptor: int) -> None:
        raise OSError("no space left")

    write_checkpoint(tmp_path / "c", TINY, {})
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full_disk)
        with pytest.raises(OSError, match="no space left"):
            write_checkpoint(tmp_path / "c", Checkpoint(8, 2.0, {}, 9), {})
    assert read_checkpoint(tmp_path / "c", {}).step == 7
    remove_checkpoint(tmp_path / "c")
    assert list(tmp_path.iterdir()) == []


def test_file_and_folder_are_flushed_to_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed, fsync = [], os.fsync

    def watched(descriptor: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    write_checkpoint(tmp_path / "c", TINY, {})
    file, folder = flushed
    assert file.startswith(f".c.{os.getpid()}-")
    assert folder == tmp_path.name


def test_missing_checkpoint_is_no_checkpoint(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path / "c", {}) is None
    remove_checkpoint(tmp_path / "c")
