"""Slides predicted by jobs: the same files, bounded memory, and what happens when tiles fail."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askmask.config import Config
from askmask.data.rasters import encode_mask
from askmask.data.slides import preparing
from askmask.data.slides.preparing import SlideOptions, write_slide_set
from askmask.data.slides.slide_set import field_id, mask_path, write_description
from askmask.data.slides.tiled_image import Box
from askmask.errors import ClusterError, ConfigError, SourceError
from askmask.loop.elsewhere.bench import Bench, kit_of
from askmask.loop.elsewhere.judging import judged_by_jobs
from askmask.loop.elsewhere.shards import Shard, in_order, in_shards
from askmask.loop.elsewhere.workplace import Elsewhere, workplace
from askmask.loop.evaluate import judging_steps
from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import Project
from askmask.loop.slides import predict_slides
from askmask.loop.slides.tile_jobs import CompactTile, SlideFile, _view
from askmask.loop.slides.tiles import Output
from askmask.progress import Progress, drive, silent
from askmask.runtime import contents as runtime_contents
from askmask.runtime.executors import Outcome, Serial
from cluster_processes import spawned_by, wait_until
from slide_files import drawn, small_tiles, write_ome
from test_predicting_slides import contents, labels_of
from test_slides_in_the_loop import trained
from test_slides_killed import command, wait_for

Build = Callable[..., Config]
CLASSES = ("background", "gland")
HERE = Elsewhere(Serial())
PREDICT = predict_slides.predict_slides


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scans")
    return write_ome(folder / "one.ome.tif", drawn(900, 1100), mpp=0.5, tile=256)


@pytest.fixture(scope="module")
def project(
    slide: Path, tmp_path_factory: pytest.TempPathFactory, disc_config: Build
) -> Iterator[Project]:
    """With a network that also predicts contours, so that every layer is there."""
    root = tmp_path_factory.mktemp("project")
    write_slide_set([slide], root / "set", SlideOptions(CLASSES, tissue="none"))
    where = {"path": str(root / "set"), "start": "none", "validation": 0, "test": []}
    query = {"region": {"size": [48, 48], "stride": 48, "budget_regions": 4}}
    with Project.create(root / "p", disc_config(data=where, query=query)) as opened:
        trained(opened)
        yield opened


@pytest.fixture(autouse=True, scope="module")
def _small_tiles() -> Iterator[None]:
    with small_tiles():
        yield


@pytest.fixture(scope="module")
def out(project: Project, slide: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The slide, predicted in this process."""
    folder = tmp_path_factory.mktemp("here") / "out"
    PREDICT(project.model(), [slide], folder)
    return folder


def test_jobs_write_the_same_bytes(
    project: Project, slide: Path, out: Path, tmp_path: Path
) -> None:
    found = PREDICT(project.model(), [slide], tmp_path / "jobs", elsewhere=HERE)
    assert found.problems == []
    assert contents(tmp_path / "jobs") == contents(out)
    assert set(np.unique(labels_of(out / "labels" / "one.ome.tif"))) == {0, 1}


class Stopped(Exception):
    pass


def test_what_jobs_began_goes_on_without_them(
    project: Project, slide: Path, out: Path, tmp_path: Path
) -> None:
    def stop(progress: Progress) -> None:
        if progress.done == 2:
            raise Stopped

    with pytest.raises(Stopped):
        PREDICT(project.model(), [slide], tmp_path / "out", report=stop, elsewhere=HERE)
    PREDICT(project.model(), [slide], tmp_path / "out")
    assert contents(tmp_path / "out") == contents(out)


class Deadly:
    """Executor whose workers die of every job from some place on; some, or all, come out late."""

    def __init__(self, first: int) -> None:
        self.first = first

    def map(
        self, function: Callable[..., object], items: Iterable[object]
    ) -> Iterator[Outcome[object]]:
        for index, item in enumerate(items):
            if index >= self.first:
                yield Outcome(index, error="its worker died 4 times in a row")
            else:
                yield Outcome(index, function(item))


def test_a_tile_that_kills_its_workers_is_a_problem_of_its_slide(
    project: Project, slide: Path, tmp_path: Path
) -> None:
    found = PREDICT(project.model(), [slide], tmp_path / "out", elsewhere=Elsewhere(Deadly(1)))
    assert found.slides == []
    told = r"one\.ome\.tif: rows 0 to 160, columns 96 to 288 .* on a worker: its worker died 4"
    with pytest.raises(SourceError, match=told):
        raise SourceError(found.problems[0])


class Gone:
    """Executor of a cluster that takes nobody."""

    def map(self, *_: object) -> Iterator[Outcome[object]]:
        raise ClusterError("expected workers like this machine, got none")


def test_a_cluster_that_refuses_leaves_nothing_behind(
    project: Project, slide: Path, tmp_path: Path
) -> None:
    with pytest.raises(ClusterError, match="got none"):
        PREDICT(project.model(), [slide], tmp_path / "out", elsewhere=Elsewhere(Gone()))
    assert list(tmp_path.iterdir()) == []


def test_a_slide_that_a_worker_does_not_see_is_refused_and_not_sent(slide: Path) -> None:
    with pytest.raises(SourceError, match=r"found none\. Slides are not sent, since a slide has"):
        _view(SlideFile(slide.with_name("two.tif"), 5, 0.5, 1.0))
    with pytest.raises(SourceError, match=r"with 5 bytes on every machine, found \d"):
        _view(SlideFile(slide, 5, 0.5, 1.0))


def test_sending_slides_is_refused_with_the_reason(
    project: Project, slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Elsewhere(object(), send_images=True)
    with pytest.raises(ConfigError, match=r"Slides are not sent, since a slide has gigabytes"):
        PREDICT(project.model(), [slide], tmp_path / "out", elsewhere=place)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_jobs_judge_the_fields_of_slides_to_the_same_bits(
    tmp_path: Path, disc_config: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "FIELD_SIDE", 128)
    slide = write_ome(tmp_path / "one.ome.tif", drawn(256, 384), mpp=1.0)
    made = write_slide_set([slide], tmp_path / "set", SlideOptions(CLASSES, tissue="none"))
    masked = tuple(field_id("one", row, col) for row, col, *_ in made.slides[0].fields)
    for image_id in masked:
        path = mask_path(tmp_path / "set", image_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_mask((drawn(128, 128)[:, :, 0] > 120).astype(np.int16)))
    write_description(tmp_path / "set", made.model_copy(update={"masked": masked}))
    where = {"path": str(tmp_path / "set"), "start": "all", "validation": 2, "test": []}
    with Project.create(tmp_path / "p", disc_config(data=where)) as opened:
        loop = Loop(opened)
        loop.tell_start(MaskOracle(opened.source))
        loop.train()
        model = opened.model()
        found = [
            drive(judging_steps(model, by), silent) for by in (None, judged_by_jobs(model, HERE))
        ]
    rows = [[repr(r) for r in one if r.metric != "evaluation_seconds"] for one in found]
    assert rows[0] == rows[1]
    assert len(rows[0]) > 10


def test_a_large_file_is_known_by_its_size_and_its_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime_contents, "_WHOLE_BYTES", 8)
    monkeypatch.setattr(runtime_contents, "_END_BYTES", 2)
    digests = {}
    for content in ("abcdefghij", "abCCCCCCij", "Abcdefghij", "abcdefghiJ", "abcdefghhij", "abcd"):
        (tmp_path / "slide").write_text(content)
        digests[content] = runtime_contents.file_content_digest(tmp_path / "slide")
    assert digests["abcdefghij"] == digests["abCCCCCCij"]
    assert len(set(digests.values())) == 5
    assert digests["abcd"] == runtime_contents.digest(b"abcd")
    assert runtime_contents.file_content_digest(tmp_path) is None


# --- compact tiles --------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1), st.sampled_from([None, 0.3, 0.9]), st.integers(2, 5))
def test_a_compact_tile_is_finished_to_what_its_values_are_finished_to(
    seed: int, contour: float | None, n_classes: int
) -> None:
    output = Output(n_classes, contour)
    rng = np.random.default_rng(seed)
    values = rng.random((output.n_values, 12, 17), np.float32)
    values[:n_classes] /= values[:n_classes].sum(0)
    settled = Box(int(rng.integers(0, 4)), int(rng.integers(0, 4)), 7, 9)
    unpacked = CompactTile.of(values, settled, output).values(output)
    everywhere = np.ones((12, 17), np.bool_)
    assert unpacked.shape == values.shape
    np.testing.assert_array_equal(
        output.finish(unpacked, everywhere), output.finish(values, everywhere)
    )
    is_rim = everywhere.copy()
    is_rim[settled.slices] = False
    np.testing.assert_array_equal(unpacked[:, is_rim], values[:, is_rim])


# --- what is held ---------------------------------------------------------------------------


class Reversing:
    """Executor that takes all jobs that it is given, and ends them from the last to the first."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def map(
        self, function: Callable[..., object], items: Iterable[object]
    ) -> Iterator[Outcome[object]]:
        taken = list(enumerate(items))
        self.calls.append(len(taken))
        yield from (Outcome(index, function(item)) for index, item in reversed(taken))


@pytest.fixture(scope="module")
def bench(project: Project) -> Bench:
    return kit_of(project.model(), with_facts=False).bench


def itself(_bench: Bench, piece: int) -> int:
    return piece


def test_no_piece_is_sent_far_ahead_of_one_that_is_late(bench: Bench) -> None:
    executor = Reversing()
    done = in_shards(executor, itself, bench, range(10), parts=10, ahead=4)
    assert [item.result for item in in_order(done)] == list(range(10))
    assert executor.calls == [4, 4, 2]


def test_a_late_piece_that_is_done_again_is_waited_for(bench: Bench) -> None:
    class OnceDead(Reversing):
        def map(
            self, function: Callable[..., object], items: Iterable[Shard[int, int]]
        ) -> Iterator[Outcome[object]]:
            for index, shard in enumerate(items):
                if shard.pieces == (0, 1):
                    yield Outcome(index, error="its worker died")
                else:
                    yield Outcome(index, function(shard))

    done = in_shards(OnceDead(), itself, bench, range(8), parts=4, ahead=3)
    assert [item.result for item in in_order(done)] == list(range(8))


# --- other processes ------------------------------------------------------------------------


@pytest.mark.slow  # every worker imports torch
def test_a_cluster_writes_the_same_bytes_though_a_worker_is_killed(
    project: Project, slide: Path, out: Path, tmp_path: Path
) -> None:
    killed: list[int] = []

    def kill_one(progress: Progress) -> None:
        if progress.done in (1, 2):
            worker = spawned_by(os.getpid())[-1]
            os.kill(worker, signal.SIGKILL)
            killed.append(worker)

    with workplace("local:2") as place:
        found = PREDICT(
            project.model(), [slide], tmp_path / "out", report=kill_one, elsewhere=place
        )
    assert found.problems == []
    assert len(set(killed)) == 2
    assert contents(tmp_path / "out") == contents(out)


@pytest.mark.slow  # three commands, and workers that import torch
def test_a_command_on_a_cluster_that_is_killed_goes_on_to_the_same_bytes(
    project: Project, slide: Path, tmp_path: Path
) -> None:
    tall = write_ome(tmp_path / "tall.ome.tif", drawn(3600, 900), mpp=1.0, levels=1, tile=256)
    words = ["predict", project.root, tall]
    killed = command(*words, tmp_path / "killed", "--cluster", "local:2")
    wait_for(tmp_path / "killed" / ".unfinished" / "00000" / "band_00000.npz", killed)
    left = spawned_by(killed.pid)
    os.killpg(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    wait_until(lambda: not any(map(is_alive, left)))
    assert command(*words, tmp_path / "killed", "--cluster", "local:2").wait() == 0
    assert command(*words, tmp_path / "whole").wait() == 0
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").exists()
