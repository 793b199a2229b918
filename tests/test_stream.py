"""Regions a few at a time: looks through the pool, and the portions that they ask."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import askmask.loop.stream.look as look_module
from askmask.config import Config, RegionConfig, with_overrides
from askmask.errors import AskmaskError
from askmask.loop.ask import asking_by, propose
from askmask.loop.loop import Loop
from askmask.loop.project import START, Project
from askmask.loop.stream.first import ask_first
from askmask.loop.stream.look import Look
from askmask.loop.stream.portion import ask_portion, choose_anew, choose_more, cold_strategy
from askmask.loop.stream.seen_places import SeenPlaces
from askmask.query.regions import places_of
from askmask.query.strategies import ScoredImage, Turn
from askmask.query.strategies.typical import typical_and_apart
from askmask.records import Query, QueryItem, Region
from askmask.serve.worker import Worker
from askmask.store.work_records import ItemState
from at_work import open_items, work

Build = Callable[..., Config]


@pytest.fixture
def trained(warm: Project) -> Project:
    """Project with a model of its two labelled images."""
    Loop(warm).train(0)
    return warm


def ask_anew(look: Look, count: int) -> Query | None:
    portion = choose_anew(look, count)
    return None if portion is None else ask_portion(portion)


def whole_look(project: Project, round: int = 1) -> Look:
    look = Look(project, project.model(0), round)
    while not look.is_done:
        look.advance()
    return look


@pytest.mark.parametrize("acquisition", ["random", "predictive_entropy", "kmeans_entropy"])
def test_look_at_the_whole_pool_asks_what_a_query_would_ask(
    trained: Project, acquisition: str
) -> None:
    project = asking_by(trained, acquisition)
    few = with_overrides(project.config, {"query.region.budget_regions": 5})

    chosen = whole_look(project).choose(5)

    asked = propose(project.with_config(few), 1, model=project.model(0)).items
    assert [item.region for item in chosen] == [item.region for item in asked]
    np.testing.assert_allclose([i.score for i in chosen], [i.score for i in asked], rtol=1e-6)


def test_look_chooses_among_the_images_it_has_seen(trained: Project) -> None:
    look = Look(trained, trained.model(0), 1)
    for _ in range(3):
        look.advance()

    regions = [item.region for item in look.choose(4)]

    assert {region.image_id for region in regions} <= set(look.seen)
    assert len(look.seen) == 3


def test_look_begins_with_the_images_that_the_one_before_did_not_come_to(trained: Project) -> None:
    first = Look(trained, trained.model(0), 1)
    first.advance()
    first.advance()

    second = Look(trained, trained.model(0), 2, first.seen)
    while not second.is_done:
        second.advance()

    assert set(second.seen[-2:]) == set(first.seen)
    assert sorted(second.seen) == sorted(trained.pool_ids)


def test_what_is_taken_meanwhile_is_passed_over_with_what_overlaps_it(trained: Project) -> None:
    look = whole_look(trained)
    best = look.choose(1)[0].region
    whole = trained.images[best.image_id].whole

    others = [item.region for item in look.choose(30, [best])]

    assert others
    assert not any(region.overlaps(best) for region in others)
    assert all(item.region.image_id != best.image_id for item in look.choose(30, [whole]))


def test_maps_that_were_kept_are_those_that_are_computed_again(
    trained: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = whole_look(trained, round=7)
    monkeypatch.setattr(look_module, "MAP_BYTES", 1)
    again = whole_look(trained, round=7)

    for item in kept.choose(6):
        maps = [look.score_map(item.region.image_id) for look in (kept, again)]
        assert maps[0] is not None
        assert maps[1] is not None
        np.testing.assert_allclose(maps[0], maps[1], atol=1e-3)  # kept in 16 bits
        assert kept.extremes is not None
        assert kept.extremes[0] <= float(maps[1].max()) <= kept.extremes[1] + 1e-3


def test_strategy_that_needs_a_model_cannot_begin_the_stream(cold: Project) -> None:
    with pytest.raises(AskmaskError, match="nothing is trained yet"):
        Look(cold, cold.model(START), 1)


def test_cold_start_goes_by_features_only_where_the_network_has_learned_some(
    cold: Project,
) -> None:
    learned = with_overrides(cold.config, {"model": {"name": "pyramid"}})

    assert cold_strategy(cold.config) == "random"
    assert cold_strategy(learned) == "typical_apart"


def test_very_first_regions_lie_in_different_images_and_give_way_to_chosen_ones(
    cold: Project,
) -> None:
    query = ask_first(cold)

    assert query is not None
    assert len({item.region.image_id for item in query.items}) == len(query.items) == 4
    assert ask_first(cold) is None
    opened = cold.store.worklist.lease_next("Ada")
    work(Worker(cold))
    left = {(item.round, item.item.rank) for item in open_items(cold) if item.round == 1}
    assert opened is not None
    assert (1, opened.item.rank) in left
    assert len(open_items(cold)) > 4


def test_nothing_is_asked_first_where_something_is_trained(trained: Project) -> None:
    assert ask_first(trained) is None


def test_asking_anew_replaces_what_nobody_opened_and_keeps_what_comes_again(
    trained: Project,
) -> None:
    look = Look(trained, trained.model(0), 1)
    for _ in range(3):
        look.advance()
    assert ask_anew(look, 6) is not None
    held, released, *_ = open_items(trained)
    worklist = trained.store.worklist
    worklist.lease(held.round, held.item.rank, "Ada")
    worklist.lease(released.round, released.item.rank, "Grace")
    worklist.release(released.round, released.item.rank, "Grace")  # strokes may be in her browser
    before = {item.item.region for item in worklist.fresh_items()}
    while not look.is_done:
        look.advance()
    wanted = {item.region for item in look.choose(6)}

    ask_anew(look, 6)

    now = open_items(trained)
    assert {(held.round, held.item.rank), (released.round, released.item.rank)} <= {
        (item.round, item.item.rank) for item in now
    }
    assert {item.item.region for item in worklist.fresh_items()} == wanted
    kept = [item for item in now if item.item.region in before & wanted]
    assert {item.round for item in kept} <= {1}
    regions = [item.item.region for item in now]
    assert not any(a.overlaps(b) for n, a in enumerate(regions) for b in regions[:n])


def test_more_regions_are_asked_beside_the_open_ones(trained: Project) -> None:
    look = whole_look(trained)
    ask_anew(look, 3)

    portion = choose_more(look, 4)
    assert portion is not None
    second = ask_portion(portion)

    assert second is not None
    assert second.round == 2
    assert len(open_items(trained)) == 3 + len(second.items) == 7


def test_region_that_is_opened_while_others_are_chosen_stays(
    trained: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = whole_look(trained)
    ask_anew(old, 4)
    new = whole_look(trained, round=2)
    choose = new.choose
    opened: list[tuple[int, int]] = []

    def opening(count: int) -> tuple[QueryItem, ...]:
        items = choose(count)
        item = trained.store.worklist.lease_next("Ada")
        assert item is not None
        opened.append((item.round, item.item.rank))
        return items

    monkeypatch.setattr(new, "choose", opening)
    ask_anew(new, 4)

    item = trained.store.worklist.item(*opened[0])
    assert item.state is ItemState.OPEN
    others = [i.item.region for i in open_items(trained) if (i.round, i.item.rank) != opened[0]]
    assert others
    assert not any(region.overlaps(item.item.region) for region in others)


def test_people_who_take_regions_while_they_are_asked_anew_keep_them(trained: Project) -> None:
    looks = [whole_look(trained, round=n) for n in (1, 2)]
    ask_anew(looks[0], 8)
    until, taken = threading.Event(), []

    def take() -> Iterator[None]:
        number = 0
        while not until.is_set() and number < 6:
            item = trained.store.worklist.lease_next(f"person {number}")
            number += item is not None
            if item is not None:
                taken.append((item.round, item.item.rank))

    thread = threading.Thread(target=take)
    thread.start()
    for turn in range(6):
        ask_anew(looks[turn % 2], 8)
    until.set()
    thread.join()

    for place in taken:
        assert trained.store.worklist.item(*place).state is ItemState.OPEN
    regions = [item.item.region for item in open_items(trained)]
    assert not any(a.overlaps(b) for n, a in enumerate(regions) for b in regions[:n])


PAIRS = RegionConfig(size=(1, 2), stride=2)


def row_of(image_id: str, features: list[float], asked: tuple[int, ...] = ()) -> ScoredImage:
    """An image of one row of pairs of pixels with a feature each; some pairs were asked."""
    available = np.ones((1, 2 * len(features)), bool)
    for pair in asked:
        available[:, 2 * pair : 2 * pair + 2] = False
    values = np.array(features, np.float32)[:, None]
    places = places_of(image_id, available, PAIRS)
    return ScoredImage(places, np.zeros((1, len(features))), lambda boxes: values[boxes[:, 1] // 2])


def apart(images: list[ScoredImage], count: int) -> list[tuple[str, int]]:
    rule = PAIRS.model_copy(update={"budget_regions": count})
    items = typical_and_apart(images, Turn(seed=0, round=1, rounds=1, rule=rule))
    return [(item.region.image_id, item.region.col // 2) for item in items]


def test_first_regions_come_from_different_images_even_if_one_image_is_unlike_all_others() -> None:
    dark = row_of("dark", [100.0, 130.0, 160.0, 190.0])
    others = [row_of(name, [0.0, 1.0, 0.1, 1.1]) for name in ("a", "b", "c")]

    first = apart([dark, *others], 4)
    assert sorted(image for image, _ in first) == ["a", "b", "c", "dark"]
    assert len(apart([dark, *others], 6)) == 6  # and then again


def test_images_that_were_asked_come_after_those_that_were_not() -> None:
    images = [row_of("a", [0.0, 0.1, 5.0], asked=(0,)), row_of("b", [0.0, 0.2, 5.1])]

    assert [image for image, _ in apart(images, 1)] == ["b"]


def test_clusters_that_hold_an_asked_place_come_after_those_that_do_not() -> None:
    known = row_of("a", [0.0], asked=(0,))
    other = row_of("b", [0.0, 0.1, 9.0, 9.1])

    ((image, pair),) = apart([known, other], 1)

    assert (image, pair) in {("b", 2), ("b", 3)}


@given(
    height=st.integers(4, 14),
    width=st.integers(4, 14),
    seed=st.integers(0, 1000),
    limit=st.one_of(st.none(), st.integers(0, 5)),
)
def test_seen_places_are_as_the_image_was_and_choose_without_overlap_as_a_grid_does(
    height: int, width: int, seed: int, limit: int | None
) -> None:
    generator = np.random.default_rng(seed)
    rule = RegionConfig(size=(4, 3), stride=2)
    grid = places_of("a", generator.random((height, width)) < 0.6, rule)
    seen = SeenPlaces(grid, rule)
    order = generator.permutation(len(grid.boxes))
    score = generator.random((height, width)).astype(np.float32)

    assert (seen.available == grid.available).all()
    assert (
        seen.without_overlap(order, limit).tolist() == grid.without_overlap(order, limit).tolist()
    )
    for name in ("sums", "scores", "means"):
        np.testing.assert_array_equal(getattr(seen, name)(score), getattr(grid, name)(score))
    np.testing.assert_array_equal(seen.nearest(score > 0.5), grid.nearest(score > 0.5))


def test_places_that_overlap_what_was_taken_hold_nothing_new() -> None:
    rule = RegionConfig(size=(2, 2), stride=1)
    seen = SeenPlaces(places_of("a", np.ones((2, 5), bool), rule), rule)

    rest = seen.without([Region("a", 0, 0, 2, 2)])

    assert rest.new_pixels.tolist() == [0, 0, 4, 4]
    assert seen.new_pixels.tolist() == [4, 4, 4, 4]


def test_stream_spreads_over_groups(tmp_path: Path, disc_config: Build) -> None:
    with Project.create(tmp_path / "p", disc_config(data={"start": "none"})) as project:
        orders = [
            [project.images[name].group for name in _order(project, round)] for round in range(1, 6)
        ]

    assert all(set(order[:2]) == {"even", "odd"} for order in orders)


def _order(project: Project, round: int) -> list[str]:
    look = Look(asking_by(project, "random"), project.model(START), round)
    while not look.is_done:
        look.advance()
    return look.seen
