"""The loop's work by jobs: the same query, scores and files, bit for bit, whoever does it."""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from askmask.cli.main import app
from askmask.config import Config, with_overrides
from askmask.data.prepare.stored_files import list_images
from askmask.errors import ClusterError, ConfigError, SourceError
from askmask.loop.ask import PoolScores, propose
from askmask.loop.elsewhere import scoring, shards
from askmask.loop.elsewhere.bench import Bench, close_bench, kit_of, open_bench
from askmask.loop.elsewhere.judging import judged_by_jobs
from askmask.loop.elsewhere.scoring import PoolElsewhere
from askmask.loop.elsewhere.shards import Done, in_order, in_shards
from askmask.loop.elsewhere.workplace import Elsewhere, workplace
from askmask.loop.evaluate import judging_steps
from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.predict import predict_files
from askmask.loop.project import Project
from askmask.progress import Progress, drive, silent
from askmask.records import MetricRow
from askmask.runtime.executors import Outcome, Processes, Serial
from discs import draw_discs

Build = Callable[..., Config]
HERE = Elsewhere(Serial())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, disc_config: Build) -> Iterator[Project]:
    """Project with a model of round 0, recalibrated."""
    config = disc_config(calibration={"method": "temperature"})
    with Project.create(tmp_path_factory.mktemp("elsewhere") / "p", config) as project:
        loop = Loop(project)
        loop.tell_start(MaskOracle(project.source))
        loop.train()
        yield project


def asking(project: Project, acquisition: str, **others: object) -> Project:
    named = {f"query.{key}": value for key, value in others.items()}
    overrides = {"query.acquisition": acquisition, "query.options": {}, **named}
    return project.with_config(with_overrides(project.config, overrides))


def asked_by(project: Project, elsewhere: Elsewhere | None) -> object:
    """What round 1 would ask, with its histograms."""
    model = project.model(0)
    if elsewhere is None:
        pool = PoolScores(project, 1, model, silent)
    else:
        pool = PoolElsewhere(project, 1, model, silent, elsewhere=elsewhere)
    proposal = propose(project, 1, model=model, pool=pool)
    return proposal.items, proposal.scores, pool.extremes


def values(rows: Iterable[MetricRow]) -> list[str]:
    """Rows without the one that tells a time; repr tells every bit."""
    return [repr(row) for row in rows if row.metric != "evaluation_seconds"]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for number in range(5):
        Image.fromarray(draw_discs(70 + number)[0]).save(folder / f"{number}.png")
    (folder / "broken.png").write_bytes(b"\x89PNG but no more")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize(
    "acquisition",
    [
        "mutual_information",
        "typical",
        pytest.param("kmeans_entropy", marks=pytest.mark.slow),
        pytest.param("coreset", marks=pytest.mark.slow),
        pytest.param("power_entropy", marks=pytest.mark.slow),
        pytest.param("random", marks=pytest.mark.slow),
    ],
)
def test_jobs_ask_the_same_query_with_the_same_histograms(
    trained: Project, acquisition: str
) -> None:
    project = asking(trained, acquisition)
    assert asked_by(project, HERE) == asked_by(project, None)


@pytest.mark.slow
def test_jobs_ask_the_same_whole_images(trained: Project) -> None:
    project = asking(trained, "predictive_entropy", unit="image")
    assert asked_by(project, HERE) == asked_by(project, None)


@pytest.mark.slow
def test_features_come_with_the_scores_and_are_not_computed_again(
    trained: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = asking(trained, "typical")
    model = project.model(0)
    pool = PoolElsewhere(project, 1, model, silent, elsewhere=HERE)
    monkeypatch.setattr(pool, "_embed", lambda *_: pytest.fail("computed again"))
    assert propose(project, 1, model=model, pool=pool).items


def test_jobs_judge_to_the_same_bits(trained: Project) -> None:
    model = trained.model(0)
    by_jobs = drive(judging_steps(model, judged_by_jobs(model, HERE)), silent)
    assert values(by_jobs) == values(drive(judging_steps(model), silent))


def test_jobs_predict_the_same_files_and_name_the_same_problems(
    trained: Project, images: Path, tmp_path: Path
) -> None:
    model, files = trained.model(0), list_images(images)
    here = predict_files(model, files, tmp_path / "here")
    jobs = predict_files(model, files, tmp_path / "jobs", elsewhere=HERE)
    assert jobs == here
    assert len(here.problems) == 1
    assert contents(tmp_path / "jobs") == contents(tmp_path / "here")


def test_jobs_write_nothing_into_the_project(trained: Project) -> None:
    before = contents(trained.root)
    asked_by(asking(trained, "random"), HERE)
    assert contents(trained.root) == before


def test_progress_counts_every_image_of_the_pool(trained: Project) -> None:
    seen: list[Progress] = []
    pool = PoolElsewhere(trained, 1, trained.model(0), seen.append, elsewhere=HERE)
    list(pool.scored())
    start, total = len(trained.roles.start), len(trained.pool_ids)  # the start set has its answers
    assert {report.total for report in seen} == {total}
    assert [report.done for report in seen] == [0, *range(start + 1, total + 1)]


def test_an_image_that_cannot_be_scored_ends_the_query_with_its_reason(
    trained: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise SourceError("image 'train_1' is damaged.")

    monkeypatch.setattr(PoolScores, "score", refuse)
    with pytest.raises(SourceError, match="'train_1' is damaged"):
        asked_by(asking(trained, "mutual_information"), HERE)


@pytest.mark.slow
def test_loop_with_jobs_keeps_the_same_query(trained: Project, tmp_path: Path) -> None:
    queries = []
    for name, elsewhere in (("plain", None), ("jobs", HERE)):
        shutil.copytree(trained.root, tmp_path / name)
        with Project.open(tmp_path / name, trained.source) as project:
            query = Loop(project, elsewhere=elsewhere).ask()
            queries.append(replace(query, elapsed_seconds=0.0))
    assert queries[0] == queries[1]


def double(_bench: Bench, piece: int) -> int:
    if piece < 0:
        raise SourceError("negative")
    return 2 * piece


class Killer:
    """Executor whose workers die of shards with the piece 3, and never of others."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def map(
        self, function: Callable[..., object], items: Iterable[shards.Shard[int, int]]
    ) -> Iterator[Outcome[object]]:
        for index, shard in enumerate(items):
            self.sizes.append(len(shard.pieces))
            if 3 in shard.pieces:
                yield Outcome(index, error="its worker died 4 times in a row")
            else:
                yield Outcome(index, function(shard))


@pytest.fixture
def bench(trained: Project) -> Bench:
    return kit_of(trained.model(0), with_facts=False).bench


def test_a_piece_that_kills_its_workers_costs_no_other(bench: Bench) -> None:
    done = list(in_order(in_shards(Killer(), double, bench, range(8))))
    assert [item.result for item in done] == [0, 2, 4, None, 8, 10, 12, 14]
    assert isinstance(done[3].problem, ClusterError)
    assert "its worker died 4 times" in str(done[3].problem)


def test_an_image_whose_workers_die_is_named(
    trained: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = ClusterError("its worker died 4 times.")
    monkeypatch.setattr(scoring, "in_shards", lambda *_, **__: [Done(0, problem=lost)])
    first = next(name for name in trained.pool_ids if not trained.store.asked(name).all())
    with pytest.raises(ClusterError, match=f"image '{first}' cannot .* nothing is asked: its w"):
        asked_by(trained, HERE)


def test_a_refused_piece_is_told_by_its_own_error(bench: Bench) -> None:
    done = list(in_shards(Serial(), double, bench, [1, -1, 2]))
    assert [item.result for item in done] == [2, None, 4]
    assert isinstance(done[1].problem, SourceError)


def test_shards_grow_to_two_seconds_and_shrink_towards_the_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(10**6))  # every look at the clock is a second later
    monkeypatch.setattr(shards.time, "perf_counter", lambda: 0.01 * next(clock))
    executor = Killer()
    list(in_shards(executor, double, bench, range(4, 4004)))
    assert executor.sizes[0] == 2
    assert max(executor.sizes) > 100  # 2 s at 10 ms for all pieces but one
    assert executor.sizes[-1] == 1
    assert sum(executor.sizes) == 4000


def test_processes_get_equal_parts(bench: Bench) -> None:
    executor = Killer()
    list(in_shards(executor, double, bench, range(4, 15), parts=2))
    assert executor.sizes == [6, 5]


def test_no_pieces_need_no_executor(bench: Bench) -> None:
    assert list(in_shards(Killer(), double, bench, [])) == []


def test_benches_with_and_without_sent_images_are_different_ones(trained: Project) -> None:
    model = trained.model(0)
    names = {kit_of(model, with_facts=with_facts).bench.name for with_facts in (False, True)}
    assert len(names) == 2


def test_a_bench_is_opened_once_and_leaves_nothing_behind(bench: Bench) -> None:
    first = open_bench(bench)
    assert open_bench(bench) is first
    assert first.root.is_dir()
    close_bench()
    assert not first.root.exists()


def test_sending_images_needs_somewhere_to_send_them() -> None:
    with pytest.raises(ConfigError, match="with --send-images"), workplace(None, send_images=True):
        pass


def test_without_a_cluster_the_work_stays_here() -> None:
    with workplace(None) as found:
        assert found is None


@pytest.fixture(scope="module")
def cluster() -> Iterator[Elsewhere]:
    with workplace("local:2") as found:
        assert found is not None
        yield found


@pytest.mark.slow  # every worker imports torch
class TestOtherProcesses:
    def test_processes_and_a_cluster_ask_and_judge_alike(
        self, trained: Project, cluster: Elsewhere
    ) -> None:
        project, model = asking(trained, "mutual_information"), trained.model(0)
        expected = asked_by(project, None)
        assert asked_by(project, Elsewhere(Processes(2, threads=1), parts=2)) == expected
        assert asked_by(project, cluster) == expected
        assert asked_by(project, replace(cluster, send_images=True)) == expected
        plain = values(drive(judging_steps(model), silent))
        for place in (cluster, replace(cluster, send_images=True)):
            assert (
                values(drive(judging_steps(model, judged_by_jobs(model, place)), silent)) == plain
            )

    @pytest.mark.parametrize("send_images", [False, True])
    def test_a_cluster_predicts_the_same_files(
        self, trained: Project, cluster: Elsewhere, images: Path, tmp_path: Path, send_images: bool
    ) -> None:
        model, files = trained.model(0), list_images(images)
        place = replace(cluster, send_images=send_images)
        assert predict_files(model, files, tmp_path / "a", elsewhere=place) == predict_files(
            model, files, tmp_path / "b"
        )
        assert contents(tmp_path / "a") == contents(tmp_path / "b")


@pytest.mark.slow  # every worker imports torch
def test_commands_print_the_same_with_a_cluster(trained: Project, tmp_path: Path) -> None:
    printed = []
    for name, words in (("here", []), ("cluster", ["--cluster", "local:2", "--send-images"])):
        root = shutil.copytree(trained.root, tmp_path / name / "p")
        config = (root / "askmask.yaml").read_text("utf-8")
        data = next(line for line in config.splitlines() if line.strip().startswith("path:"))
        path = trained.config.data.path
        assert path is not None
        config = config.replace(data, data.partition(":")[0] + f": {path.resolve()}")
        (root / "askmask.yaml").write_text(config, encoding="utf-8")
        rows = json.loads(call("evaluate", root, "--json", *words))
        query = json.loads(call("ask", root, "--json", *words))
        printed.append(
            ([row for row in rows if row["metric"] != "evaluation_seconds"], query["items"])
        )
    assert printed[0] == printed[1]


def call(*words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout
