from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askmask.config import DataConfig
from askmask.data.roles import Roles, assign_roles, draw_stratified
from askmask.errors import ConfigError
from askmask.records import ImageInfo


def image(name: str, **fields: object) -> ImageInfo:
    return ImageInfo(name, 4, 4, **fields)  # type: ignore[arg-type]


def rules(**fields: object) -> DataConfig:
    return DataConfig.model_validate({"path": Path("set"), **fields})


FIXED = (
    image("d", role="pool"),
    image("a", role="start"),
    image("c", role="validation"),
    image("b", role="start"),
    image("e"),
    image("f", split="testA", role="test"),
    image("g", split="testB", role="test"),
)
# 30 benign and 10 malignant training images, 4 images of the split "testA", 3 without a mask
DRAWN = (
    *(image(f"benign_{n}", group="benign") for n in range(30)),
    *(image(f"malignant_{n}", group="malignant") for n in range(10)),
    *(image(f"test_{n}", split="testA") for n in range(4)),
    *(image(f"bare_{n}", has_mask=False) for n in range(3)),
)


def groups(ids: tuple[str, ...]) -> Counter[str]:
    return Counter(image_id.partition("_")[0] for image_id in ids)


def everyone(roles: Roles) -> list[str]:
    return [*roles.start, *roles.pool, *roles.validation, *roles.test]


def test_roles_of_the_data_set_are_kept_in_its_order() -> None:
    assert assign_roles(FIXED, rules(), seed=0) == Roles(
        start=("a", "b"), pool=("d", "e"), validation=("c",), test=("f", "g")
    )


def test_named_splits_are_tested_on_and_others_left_out() -> None:
    roles = assign_roles(FIXED, rules(test=["testB"]), seed=0)
    assert roles.test == ("g",)
    assert "f" not in everyone(roles)


def test_drawn_sets_keep_the_proportion_of_the_groups() -> None:
    roles = assign_roles(DRAWN, rules(start=8, validation=4, test=["testA"]), seed=3)
    assert groups(roles.validation) == {"benign": 3, "malignant": 1}
    assert groups(roles.start) == {"benign": 6, "malignant": 2}
    assert groups(roles.pool) == {"benign": 21, "malignant": 7, "bare": 3}
    assert groups(roles.test) == {"test": 4}


def test_start_set_follows_the_seed_and_the_validation_set_does_not() -> None:
    data = rules(start=8, validation=4, test=["testA"])
    first, again, other = (assign_roles(DRAWN, data, seed) for seed in (1, 1, 2))
    assert first == again
    assert first.start != other.start
    assert first.validation == other.validation
    moved = assign_roles(DRAWN, data.model_copy(update={"split_seed": 5}), 1)
    assert moved.validation != first.validation


def test_start_from_all_takes_every_masked_image_that_is_left() -> None:
    roles = assign_roles(DRAWN, rules(start="all", validation=4, test=["testA"]), seed=0)
    assert groups(roles.start) == {"benign": 27, "malignant": 9}
    assert groups(roles.pool) == {"bare": 3}


def test_validation_may_be_drawn_beside_a_fixed_start_set() -> None:
    roles = assign_roles(FIXED, rules(validation=3), seed=0)
    assert roles.start == ("a", "b")
    assert sorted(roles.validation) == ["c", "d", "e"]


def test_validation_may_be_empty() -> None:
    assert assign_roles(FIXED[:2], rules(), seed=0).validation == ()


@settings(max_examples=40)
@given(
    start=st.integers(1, 30),
    validation=st.integers(0, 10),
    seed=st.integers(0, 99),
    order=st.permutations(DRAWN),
)
def test_every_image_has_one_role_whatever_the_order(
    start: int, validation: int, seed: int, order: list[ImageInfo]
) -> None:
    data = rules(start=start, validation=validation, test=["testA"])
    roles = assign_roles(order, data, seed)
    assert sorted(everyone(roles)) == sorted(info.image_id for info in DRAWN)
    assert (len(roles.start), len(roles.validation)) == (start, validation)
    assert set(roles.start) == set(assign_roles(DRAWN, data, seed).start)


@given(small=st.integers(0, 40), more=st.integers(0, 40), seed=st.integers(0, 99))
def test_a_larger_draw_contains_the_smaller(small: int, more: int, seed: int) -> None:
    masked = DRAWN[:40]
    drawn = draw_stratified(masked, small, seed, "start")
    assert draw_stratified(masked, small + more, seed, "start")[:small] == drawn


@given(count=st.integers(0, 40), seed=st.integers(0, 99))
def test_a_draw_is_within_one_image_of_proportional(count: int, seed: int) -> None:
    drawn = groups(tuple(draw_stratified(DRAWN[:40], count, seed, "start")))
    assert abs(drawn["benign"] - count * 30 / 40) <= 1
    assert abs(drawn["malignant"] - count * 10 / 40) <= 1


def test_every_image_of_a_group_is_drawn_about_equally_often() -> None:
    counts = Counter(
        image_id for seed in range(400) for image_id in draw_stratified(DRAWN[:30], 6, seed, "x")
    )
    # 400 draws at 1/5: mean 80, standard deviation 8; five of them either way.
    assert min(counts[info.image_id] for info in DRAWN[:30]) > 40
    assert max(counts.values()) < 120


@pytest.mark.parametrize(
    ("images", "fields", "message"),
    [
        (FIXED, {"test": ["testC"]}, r"names \['testC'\], but the splits are \['testA', 'testB'"),
        (FIXED, {"test": ["train"]}, r"in the split 'train' that are not tested on, got none"),
        (FIXED, {"start": 5}, r"data.start in \[1, 4\] .*, got 5"),
        (FIXED, {"start": 0}, r"data.start in \[1, 4\] .*, got 0"),
        (DRAWN, {}, "data.start='dataset' gives no image .*Set data.start to a number"),
        ((image("a", has_mask=False),), {"start": "all"}, "data.start='all' gives no image"),
        (
            (*FIXED, image("h", split="testC", has_mask=False)),
            {"test": ["testC"]},
            "1 test images have no mask, e.g. 'h'",
        ),
        (
            (*FIXED, image("h", role="validation", has_mask=False)),
            {},
            "1 validation images have no mask, e.g. 'h'",
        ),
        (
            (*FIXED, image("h", role="start", has_mask=False)),
            {},
            "1 start images have no mask, e.g. 'h'",
        ),
    ],
)
def test_rules_that_cannot_be_met_are_refused(
    images: tuple[ImageInfo, ...], fields: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        assign_roles(images, rules(**fields), seed=0)
