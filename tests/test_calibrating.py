"""Recalibrated projects: fitted to the validation images, stored beside the model, used."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from askmask.calibration import LogitScaling, ProbabilityMap
from askmask.cli.main import app
from askmask.config import Config, with_overrides
from askmask.errors import ConfigError, ProjectError, UnknownName
from askmask.loop.calibrate import fit_recalibration, recalibrate_round
from askmask.loop.calibration_file import JudgedBy
from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import Project
from askmask.models.weights import save_model
from askmask.sampling.logit_samples import sample_logits
from askmask.sampling.mapped_mean import MappedMean
from askmask.sampling.predictors import Deterministic, Ensemble, MonteCarloDropout
from fakes import TinyModel, draw_disc

Build = Callable[..., Config]
CPU = torch.device("cpu")
NAMES = {"seed": 0, "round": 0, "image_id": "a"}


@pytest.fixture
def project(tmp_path: Path, trained_discs: Callable[..., Path]):
    trained = trained_discs(data={"validation": 3})
    with Project.open(shutil.copytree(trained, tmp_path / "p")) as opened:
        yield opened


def values(rows, metric: str, split: str = "validation", group: str = "all") -> list[float]:
    return [
        r.value
        for r in rows
        if (r.metric, r.split, r.group, r.class_name) == (metric, split, group, "all")
    ]


@pytest.mark.parametrize("place", range(3))
def test_scaling_is_applied_to_the_logits_of_every_sample(place: int) -> None:
    scaling = LogitScaling("vector", (2.0, 0.5, 1.0), (0.5, -0.25, -0.25))
    models = [TinyModel(3, seed=seed).eval() for seed in range(2)]
    image, _ = draw_disc(1)
    scaled, used, n_samples = [
        (MonteCarloDropout(models[0], 5, 2, "fp32", scaling=scaling), models[:1], 5),
        (Deterministic(models[0], "fp32", scaling=scaling), models[:1], 0),
        (Ensemble(models, "fp32", scaling=scaling), models, 0),
    ][place]
    logits = torch.cat(list(sample_logits(used, n_samples, image, **NAMES)))
    assert logits.shape == (scaled.n_samples, 3, 64, 64)
    probs = scaling(logits).softmax(1)
    sums = scaled.predict(image, **NAMES, boundary=False).sums
    torch.testing.assert_close(sums.mean_probs, probs.mean(0))
    torch.testing.assert_close(sums.sum_entropy, torch.special.entr(probs).sum((0, 1)))


def test_mapped_mean_changes_the_mean_alone() -> None:
    mapping = ProbabilityMap("histogram", ((0.0,), (0.0,)), ((0.2, 0.9), (0.1, 0.8)))
    inside = MonteCarloDropout(TinyModel(2), 4)
    image, _ = draw_disc(1)
    before = inside.predict(image, **NAMES, boundary=True)
    after = MappedMean(inside, mapping).predict(image, **NAMES, boundary=True)
    torch.testing.assert_close(after.sums.mean_probs, mapping(before.sums.mean_probs))
    assert torch.equal(after.sums.sum_entropy, before.sums.sum_entropy)
    assert torch.equal(after.boundary_probs, before.boundary_probs)
    assert MappedMean(inside, mapping).n_samples == 4


@pytest.mark.parametrize("method", ["temperature", "vector", "histogram", "isotonic"])
def test_every_method_is_read_back_as_it_was_stored(project: Project, method) -> None:
    stored = fit_recalibration(project.model(0), method)
    project.model(0).recalibrate(stored)
    assert project.model(0).recalibration == stored
    assert stored.method == method
    assert len(stored.folds) == 3
    json.loads(project.recalibration_path(0).read_text())


def test_temperature_of_a_project_is_the_best_on_its_validation_pixels(project: Project) -> None:
    found = fit_recalibration(project.model(0), "temperature").judge
    assert isinstance(found, LogitScaling)
    assert found.temperature is not None

    def nll(temperature: float) -> float:
        costs = []
        models = project.model(0).networks
        for image_id in project.roles.validation:
            (logits,) = sample_logits(models, 0, project.source.read_image(image_id), **NAMES)
            probs = (logits[0] / temperature).softmax(0).numpy()
            labels = project.source.read_mask(image_id).labels
            costs.append(-np.log(np.take_along_axis(probs, labels[None].astype(int), 0)).mean())
        return float(np.mean(costs))

    best = found.temperature
    assert nll(best) < min(nll(best * 1.05), nll(best / 1.05))


def test_a_prior_takes_the_temperature_of_few_images_part_of_the_way(project: Project) -> None:
    whole = fit_recalibration(project.model(0), "temperature")
    careful = project.with_config(with_overrides(project.config, {"calibration.prior_images": 3}))
    part = fit_recalibration(careful.model(0), "temperature")
    # three images stand beside three that need nothing; two, in a fold, beside three
    assert part.judge.temperature == pytest.approx(whole.judge.temperature**0.5)
    assert part.sampler.temperature == pytest.approx(whole.sampler.temperature**0.5)
    for own, other in zip(part.folds, whole.folds, strict=True):
        assert own.judge.temperature == pytest.approx(other.judge.temperature**0.4)


def test_asking_and_judging_get_maps_of_their_own(project: Project) -> None:
    stored = fit_recalibration(project.model(0), "temperature")
    assert stored.sampler is not None
    assert stored.sampler != stored.judge
    project.model(0).recalibrate(stored)
    image = project.source.read_image("testA_8")
    for loaded, scaling in (
        (project.model(0).sampler, stored.sampler),
        (project.model(0).judge, stored.judge),
    ):
        model = project.model(0).encoder
        by_hand = type(loaded)(model, *((3,) * (scaling is stored.sampler)), scaling=scaling)
        got = loaded.predict(image, **NAMES, boundary=False).sums
        assert torch.equal(
            got.sum_probs, by_hand.predict(image, **NAMES, boundary=False).sums.sum_probs
        )


def test_map_of_the_mean_leaves_asking_alone(project: Project) -> None:
    stored = fit_recalibration(project.model(0), "isotonic")
    project.model(0).recalibrate(stored)
    assert stored.sampler is None
    assert isinstance(project.model(0).judge, MappedMean)
    assert isinstance(project.model(0).sampler, MonteCarloDropout)


def test_recalibration_of_other_weights_is_refused(project: Project) -> None:
    project.model(0).recalibrate(fit_recalibration(project.model(0), "temperature"))
    model = project.model(0).encoder
    save_model(model, project.model_path(0), {"askmask": "model", "note": "another"})
    with pytest.raises(ProjectError, match="was fitted to others. Fit it again with `askmask cal"):
        _ = project.model(0).judge
    assert recalibrate_round(project.model(0)) is None
    assert not project.recalibration_path(0).exists()


def test_recalibration_for_judging_by_other_views_is_refused(project: Project) -> None:
    project.model(0).recalibrate(fit_recalibration(project.model(0), "temperature"))
    viewed = project.with_config(with_overrides(project.config, {"evaluation.views": 8}))
    with pytest.raises(ProjectError, match=r"by 0 samples and 8 views .* got one for 0 and 1"):
        _ = viewed.model(0).judge


def test_recalibration_of_a_mean_over_views_is_read_back_as_such(project: Project) -> None:
    viewed = project.with_config(with_overrides(project.config, {"evaluation.views": 8}))
    viewed.model(0).recalibrate(fit_recalibration(viewed.model(0), "temperature"))
    assert viewed.model(0).recalibration.judged_by == JudgedBy(samples=0, views=8)


@pytest.mark.parametrize(
    "content", ["", "[]", '{"askmask": "model"}', '{"askmask": 1, "version": 1}']
)
def test_damaged_recalibration_is_refused(project: Project, content: str) -> None:
    project.recalibration_path(0).write_text(content)
    with pytest.raises(ProjectError, match="but it cannot be read"):
        _ = project.model(0).recalibration


def test_held_out_map_of_an_image_did_not_see_it(project: Project) -> None:
    stored = fit_recalibration(project.model(0), "temperature")
    first, *others = project.roles.validation
    fold = next(fold for fold in stored.folds if first in fold.image_ids)
    assert stored.held_out(first) == fold.judge
    assert not set(others) & set(fold.image_ids)
    assert fold.judge != stored.judge
    assert stored.held_out("testA_8") == stored.judge


def test_rows_after_recalibration_stand_beside_those_before(project: Project) -> None:
    loop = Loop(project)
    before = loop.evaluate()
    assert not values(before, "recalibrated_nll")
    project.model(0).recalibrate(fit_recalibration(project.model(0), "temperature"))
    after = loop.evaluate()
    for split in ("validation", "testA", "test"):
        assert values(after, "nll", split) == values(before, "nll", split)
        assert values(after, "recalibrated_nll", split) != values(before, "nll", split)
        # a temperature keeps every predicted class
        assert values(after, "recalibrated_mean_dice", split) == values(before, "mean_dice", split)
    assert values(after, "recalibrated_ece", "testA", "even")
    keys = [(r.split, r.group, r.class_name, r.metric, r.bin) for r in after]
    assert len(keys) == len(set(keys))
    assert list(map(repr, project.store.metrics(0))) == list(map(repr, after))


@pytest.mark.parametrize(
    ("setting", "metric"),
    [
        ({"views": 8}, "nll"),
        ({"samples": 2}, "nll"),
        ({"has_background": False}, "mean_dice"),
        ({"calibration_bins": 3}, "ece"),
    ],
)
def test_scores_by_another_way_of_judging_are_computed_anew(
    project: Project, setting: dict[str, int], metric: str
) -> None:
    usual = Loop(project).evaluate()
    overrides = {f"evaluation.{name}": value for name, value in setting.items()}
    other = Loop(project.with_config(with_overrides(project.config, overrides))).evaluate()
    assert values(other, metric, "test") != values(usual, metric, "test")
    assert list(map(repr, project.store.metrics(0))) == list(map(repr, other))
    assert list(map(repr, Loop(project).evaluate())) == list(map(repr, usual))
    assert list(map(repr, project.store.metrics(0))) == list(map(repr, usual))


@pytest.mark.parametrize(("samples", "views"), [(0, 1), (2, 1), (0, 8), (2, 2)])
@pytest.mark.parametrize("method", ["temperature", "vector", "isotonic"])
def test_recalibrated_rows_are_those_of_the_recalibrated_judge(
    tmp_path: Path, disc_config: Build, method: str, samples: int, views: int
) -> None:
    judging = {"samples": samples, "views": views}
    config = disc_config(calibration={"method": method}, evaluation=judging)
    with Project.create(tmp_path / "p", config) as project:
        loop = Loop(project)
        loop.tell_start(MaskOracle(project.source))
        loop.train()
        rows = loop.evaluate()
        judge, costs = project.model(0).judge, []
        for image_id in (i for i in project.roles.test if project.images[i].split == "testA"):
            image, mask = project.source.read_image(image_id), project.source.read_mask(image_id)
            names = {**NAMES, "image_id": image_id}
            probs = judge.predict(image, **names, boundary=False).sums.mean_probs.numpy()
            costs.append(
                -np.log(np.take_along_axis(probs, mask.labels[None].astype(int), 0)).mean()
            )
        assert values(rows, "recalibrated_nll", "testA") == pytest.approx(
            [np.mean(costs)], rel=1e-4
        )


def test_loop_recalibrates_each_round_and_asks_by_it(tmp_path: Path, disc_config: Build) -> None:
    config = disc_config(
        calibration={"method": "temperature"}, query={"acquisition": "mutual_information"}
    )
    with Project.create(tmp_path / "p", config) as project:
        list(Loop(project).run(MaskOracle(project.source), 1))
        files = sorted(path.name for path in (project.root / "models").glob("*.json"))
        assert files == ["round_000.calibration.json", "round_001.calibration.json"]
        assert values(project.store.metrics(1), "recalibrated_ece", "test")
        kept = project.recalibration_path(1).read_bytes()
        Loop(project).train(1)
        assert project.recalibration_path(1).read_bytes() == kept
        project.delete_models(0)
        assert not project.recalibration_path(0).exists()


def test_loop_without_validation_images_goes_on_and_says_so(
    tmp_path: Path, disc_config: Build, caplog: pytest.LogCaptureFixture
) -> None:
    config = disc_config(calibration={"method": "temperature"}, data={"validation": 0})
    with Project.create(tmp_path / "p", config) as project:
        loop = Loop(project)
        loop.tell_start(MaskOracle(project.source))
        loop.train()
        assert "the model of round 0 is not recalibrated" in caplog.text
        assert project.model(0).recalibration is None
        with pytest.raises(ConfigError, match="expected validation images to fit the recal"):
            fit_recalibration(project.model(0), "temperature")


def test_single_validation_image_has_no_score_after(tmp_path: Path, disc_config: Build) -> None:
    config = disc_config(calibration={"method": "temperature"}, data={"validation": 1})
    with Project.create(tmp_path / "p", config) as project:
        loop = Loop(project)
        loop.tell_start(MaskOracle(project.source))
        loop.train()
        rows = loop.evaluate()
        assert math.isnan(values(rows, "recalibrated_nll")[0])
        assert math.isfinite(values(rows, "recalibrated_nll", "test")[0])


def call(*words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_calibrate_shows_before_and_after_and_takes_it_back(project: Project) -> None:
    text = call("calibrate", project.root)
    assert "Before and after recalibration" in text
    assert "T = " in text
    facts = json.loads(call("calibrate", project.root, "--method", "isotonic", "--json"))
    assert (facts["method"], facts["round"], facts["images"]) == ("isotonic", 0, 3)
    assert {"ece", "recalibrated_ece"} <= {row["metric"] for row in facts["rows"]}
    facts = json.loads(call("calibrate", project.root, "--method", "none", "--json"))
    assert not [row for row in facts["rows"] if row["metric"].startswith("recalibrated_")]
    assert not project.recalibration_path(0).exists()


def test_calibrate_by_an_unknown_method_or_without_a_model_says_so(
    project: Project, tmp_path: Path, disc_config: Build
) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'temperature'"):
        call("calibrate", project.root, "--method", "temprature")
    Project.create(tmp_path / "new", disc_config()).close()
    with pytest.raises(ProjectError, match="expected a trained model"):
        call("calibrate", tmp_path / "new")
