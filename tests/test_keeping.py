"""Labelled images that are kept for validation after a project began."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from askmask.data.roles import kept_count
from askmask.errors import ProjectError, StoreError
from askmask.loop import train
from askmask.loop.calibrate import recalibrate_round
from askmask.loop.in_use import taking_up
from askmask.loop.in_use.standing import Standing
from askmask.loop.labelled_images import LabelledSet
from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import Project
from askmask.records import Answer, Mask
from askmask.store.tokens import Person, Role
from served import API, Build, client_of

ALL = {"start": "all", "validation": 0}


@pytest.fixture
def project(tmp_path: Path, disc_config: Build) -> Iterator[Project]:
    """Eight labelled images, none of them for validation."""
    with Project.create(tmp_path / "p", disc_config(data=ALL)) as project:
        Loop(project).tell_start(MaskOracle(project.source))
        yield project


@pytest.fixture
def empty(tmp_path: Path, disc_config: Build) -> Iterator[Project]:
    """The same images without a label."""
    settings = {"start": "none", "validation": 0}
    with Project.create(tmp_path / "p", disc_config(data=settings)) as project:
        yield project


def label(project: Project, number: int, label: int) -> str:
    """Answer a pool image whole with one class."""
    region = project.images[project.pool_ids[number]].whole
    labels = np.full((region.height, region.width), label, np.int16)
    project.store.add_answer(
        Answer(region, Mask(labels), author="Ada", tool="brush", round=0, seconds=1.0)
    )
    return region.image_id


def splits(project: Project, round: int) -> set[str]:
    return {row.split for row in Loop(project).evaluate(round)}


def test_kept_images_wait_for_the_next_training(project: Project) -> None:
    Loop(project).train(0)
    before = project.roles
    kept = project.keep_some_apart("Ada")

    assert (len(kept.images), kept.by, kept.since) == (2, "Ada", None)
    assert project.roles == before
    assert splits(project, 0) == {"testA", "testB", "test", "all"}


def test_training_leaves_kept_images_out_and_models_are_judged_on_them(project: Project) -> None:
    first = Loop(project).train(0)
    kept = project.keep_some_apart("Ada").images
    second = Loop(project).train(0)

    assert second.labelled_digest != first.labelled_digest
    assert project.roles.validation == tuple(sorted(kept, key=project.roles.validation.index))
    assert not set(kept) & set(project.pool_ids)
    without = project.store.kept.leave_out()
    read = LabelledSet(project.source, project.store, boundary_radius=None, without=without)
    assert set(read.image_ids) == set(project.images) & set(project.pool_ids)
    assert "validation" in splits(project, 0)


def test_kept_images_are_judged_by_what_people_answered(project: Project) -> None:
    kept = project.keep_some_apart("Ada").images[0]
    region = project.images[kept].whole
    labels = np.zeros((region.height, region.width), np.int16)
    answer = Answer(region, Mask(labels), author="Grace", tool="brush", round=0, seconds=1.0)
    project.store.add_answer(answer)

    truth = project.truth(kept)
    assert truth is not None
    assert not truth.labels.any()
    of_set = project.source.read_mask(kept)
    assert of_set is not None
    assert of_set.labels.any()


def test_model_that_has_learned_from_kept_images_is_not_judged_on_them(project: Project) -> None:
    Loop(project).train(0)
    project.keep_some_apart("Ada")
    project.store.kept.leave_out()  # a training began, and was killed

    assert len(project.roles.validation) == 2
    assert project.judged_images(project.newest_training()) == ()
    assert splits(project, 0) == {"testA", "testB", "test", "all"}


def test_recalibration_is_fitted_to_kept_images_of_models_that_left_them_out(
    tmp_path: Path, disc_config: Build
) -> None:
    config = disc_config(data=ALL, calibration={"method": "temperature"})
    with Project.create(tmp_path / "p", config) as project:
        Loop(project).tell_start(MaskOracle(project.source))
        Loop(project).train(0)
        assert recalibrate_round(project.model(0)) is None
        kept = project.keep_some_apart("Ada").images
        Loop(project).train(0)
        stored = recalibrate_round(project.model(0))

        assert stored is not None
        assert set(stored.image_ids) == set(kept)


def test_model_before_is_no_rival_on_images_that_it_has_learned_from(
    tmp_path: Path, disc_config: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = disc_config(data=ALL, training={"keep_better": True})
    with Project.create(tmp_path / "p", config) as project:
        Loop(project).tell_start(MaskOracle(project.source))
        Loop(project).train(0)
        project.keep_some_apart("Ada")
        worse, better = Standing(2.0, 0.1, None), Standing(1.0, 0.9, None)
        told = iter([worse, better])
        monkeypatch.setattr(taking_up, "standing", lambda *_, **__: next(told))
        record = Loop(project).train(1)

    assert (record.round, record.steps > 0, record.reason) == (1, True, None)


def test_model_that_leaves_kept_images_out_starts_from_no_weights_that_know_them(
    tmp_path: Path, disc_config: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = disc_config(data=ALL, training={"start_from": "previous"})
    with Project.create(tmp_path / "p", config) as project:
        Loop(project).tell_start(MaskOracle(project.source))
        Loop(project).train(0)
        project.keep_some_apart("Ada")
        loaded: list[object] = []
        monkeypatch.setattr(train, "load_model_weights", lambda _, path: loaded.append(path))
        Loop(project).train(1)
        assert loaded == []
        project.store.add_answer(MaskOracle(project.source).answer(project.start_regions[0], 1))
        Loop(project).train(2)

        assert loaded == [project.model_path(1)]


def test_weights_of_before_that_stay_in_use_count_as_trained_before(project: Project) -> None:
    first = Loop(project).train(0)
    project.keep_some_apart("Ada")
    project.store.kept.leave_out()

    later = replace(first, round=1, steps=0, reason="the model of round 0 stays in use")
    later = replace(later, started_at="2999-01-01T00:00:00.000+00:00", labelled_digest="cd" * 16)
    project.store.add_training(later)

    assert project.judged_images(later) == ()


def test_kept_images_can_be_used_again_until_a_training_left_them_out(project: Project) -> None:
    project.keep_some_apart("Ada")
    project.store.kept.use_again()
    assert project.store.kept.now() is None
    assert project.store.kept.leave_out() == ()

    project.keep_some_apart("Ada")
    project.store.kept.leave_out()
    with pytest.raises(StoreError, match="They stay apart"):
        project.store.kept.use_again()
    with pytest.raises(StoreError, match="found 2, kept by 'Ada'"):
        project.keep_some_apart("Grace")


def test_too_few_labelled_images_are_all_needed_to_learn_from(empty: Project) -> None:
    for number in range(5):
        label(empty, number, number % 2)
    with pytest.raises(ProjectError, match=r"at least 6 images with labels.*got 5"):
        empty.keep_some_apart("Ada")

    label(empty, 5, 1)
    assert len(empty.keep_some_apart("Ada").images) == kept_count(6) == 2


def test_every_class_stays_with_what_is_learned_from_and_is_kept_too(empty: Project) -> None:
    discs = {label(empty, number, 1) for number in range(2)}
    for number in range(2, 8):
        label(empty, number, 0)

    kept = set(empty.keep_some_apart("Ada").images)

    assert len(kept) == 2
    assert len(kept & discs) == 1


def test_last_image_of_a_class_is_never_kept(empty: Project) -> None:
    disc = label(empty, 0, 1)
    for number in range(1, 8):
        label(empty, number, 0)

    assert disc not in empty.keep_some_apart("Ada").images


def test_project_with_validation_images_needs_no_others(tmp_path: Path, disc_config: Build) -> None:
    with (
        Project.create(tmp_path / "p", disc_config()) as project,
        pytest.raises(ProjectError, match="this one has 2. There is nothing to be done"),
    ):
        project.keep_some_apart("Ada")


def test_page_offers_keeps_and_gives_back(project: Project) -> None:
    ada = client_of(project)
    offered = ada.get(f"{API}/validation").json()
    kept = ada.post(f"{API}/validation")
    again = ada.post(f"{API}/validation")
    back = ada.delete(f"{API}/validation").json()

    told = {"labelled": 8, "least": 6, "images": 2}
    assert offered == {"state": "offered", "by": None, **told}
    assert (kept.status_code, kept.json()) == (201, {"state": "waiting", "by": "Ada", **told})
    assert (again.status_code, "Load the page again" in again.text) == (422, True)
    assert back == offered
    assert project.store.control.events(0)[-1].kind == "rounds"


def test_page_says_why_nothing_can_be_kept_or_given_back(empty: Project) -> None:
    ada = client_of(empty)
    assert ada.get(f"{API}/validation").json()["state"] == "few"
    refused = ada.post(f"{API}/validation")
    assert (refused.status_code, "at least 6" in refused.text) == (409, True)

    for number in range(6):
        label(empty, number, number % 2)
    ada.post(f"{API}/validation")
    empty.store.kept.leave_out()
    assert ada.get(f"{API}/validation").json()["state"] == "kept"
    assert ada.delete(f"{API}/validation").status_code == 422


def test_only_an_admin_keeps_images(project: Project) -> None:
    grace = client_of(project, None)
    secret = project.store.access.open_session(Person("Grace", Role.ANNOTATE))
    grace.cookies.set(grace.app.state.desk.cookie, secret)  # type: ignore[attr-defined]

    assert grace.get(f"{API}/validation").status_code == 200
    assert grace.post(f"{API}/validation").status_code == 403
    assert grace.delete(f"{API}/validation").status_code == 403
