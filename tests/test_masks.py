import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from askmask.data.masks import MaskKind, MaskRule
from askmask.data.prepare.class_file import ClassFile, Colour, check_classes, read_classes
from askmask.data.prepare.kinds import MaskSurvey, guess_kind, survey_masks
from askmask.data.prepare.stored_files import StoredFile
from askmask.errors import SourceError
from askmask.records import UNLABELLED

RED, BLUE, GREY = (255, 0, 0), (0, 0, 255), (155, 155, 155)
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
COLOURS = {RED: 0, BLUE: 1}
PALETTE = MaskRule(MaskKind.PALETTE, 2, colours={RED: 0, BLUE: 1, GREY: UNLABELLED})


def png(values: object, dtype: type = np.uint8) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.array(values, dtype)).save(buffer, "PNG")
    return buffer.getvalue()


def file(content: bytes) -> StoredFile:
    return StoredFile("x.png", lambda: content)


def with_palette(values: object) -> bytes:
    image = Image.fromarray(np.array(values, np.uint8), "P")
    image.putpalette([*RED, *BLUE, *GREY])
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


# Reading by a rule


def test_index_mask_ignores_255() -> None:
    mask = MaskRule(MaskKind.INDEX, 3).decode(png([[0, 1, 2, 255]]), "x")
    assert mask.labels.tolist() == [[0, 1, 2, UNLABELLED]]
    assert mask.instances is None


def test_index_mask_ignores_the_value_that_was_given_instead() -> None:
    rule = MaskRule(MaskKind.INDEX, 2, ignore_value=9)
    assert rule.decode(png([[0, 1, 9]]), "x").labels.tolist() == [[0, 1, UNLABELLED]]
    with pytest.raises(SourceError, match=r"255 in 1 pixels.*Expected 0 to 1, or 9"):
        rule.decode(png([[0, 255, 1]]), "x")


@pytest.mark.parametrize("dtype", [np.uint8, bool])
def test_binary_mask_is_black_and_white(dtype: type) -> None:
    white = 255 if dtype is np.uint8 else True
    mask = MaskRule(MaskKind.BINARY, 2).decode(png([[0, white]], dtype), "x")
    assert mask.labels.tolist() == [[0, 1]]


def test_instance_mask_gives_classes_and_objects() -> None:
    rule = MaskRule(MaskKind.INSTANCES, 2)
    mask = rule.decode(png([[0, 3, 255, 40_000]], np.uint16), "x")
    assert mask.labels.tolist() == [[0, 1, 1, 1]]
    assert mask.instances is not None
    assert mask.instances.tolist() == [[0, 3, 255, 40_000]]


def test_instance_mask_has_no_object_where_it_is_ignored() -> None:
    mask = MaskRule(MaskKind.INSTANCES, 2, ignore_value=255).decode(png([[0, 3, 255]]), "x")
    assert mask.labels.tolist() == [[0, 1, UNLABELLED]]
    assert mask.instances is not None
    assert mask.instances.tolist() == [[0, 3, 0]]


def test_instance_ids_beyond_16_bits_are_refused() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.array([[70_000]], np.int32)).save(buffer, "TIFF")
    with pytest.raises(SourceError, match=r"object id 70000, the largest possible is 65535"):
        MaskRule(MaskKind.INSTANCES, 2).decode(buffer.getvalue(), "x")


def test_palette_mask_is_read_by_its_colours() -> None:
    mask = PALETTE.decode(png([[RED, BLUE, GREY]]), "x")
    assert mask.labels.tolist() == [[0, 1, UNLABELLED]]


def test_palette_mask_with_its_own_colour_table_is_read_by_its_colours() -> None:
    assert PALETTE.decode(with_palette([[2, 1, 0]]), "x").labels.tolist() == [[-1, 1, 0]]


def test_grey_file_is_read_by_a_palette_of_greys() -> None:
    rule = MaskRule(MaskKind.PALETTE, 2, colours={(0, 0, 0): 0, (200, 200, 200): 1})
    assert rule.decode(png([[0, 200]]), "x").labels.tolist() == [[0, 1]]


def test_unknown_values_are_counted_and_located_the_most_frequent_first() -> None:
    values = [[0, 1, 8], [9, 9, 1], [5, 9, 4]]
    with pytest.raises(
        SourceError,
        match=(
            r"'m\.png' holds values that no class has: "
            r"9 in 3 pixels, first at \(row, col\) = \(1, 0\); "
            r"4 in 1 pixels, first at \(row, col\) = \(2, 2\); "
            r"5 in 1 pixels, first at \(row, col\) = \(2, 0\); and 1 more\. "
            r"Expected 0 to 1, or 255 for unlabelled\. Correct the mask, or the classes\."
        ),
    ):
        MaskRule(MaskKind.INDEX, 2).decode(png(values), "m.png")


def test_unknown_colours_are_named_as_colours() -> None:
    with pytest.raises(
        SourceError,
        match=r"colours that no class has: \(1, 2, 3\) in 2 .*Expected the 3 colours of the",
    ):
        PALETTE.decode(png([[RED, (1, 2, 3), (1, 2, 3)]]), "x")


def test_shades_between_black_and_white_are_refused() -> None:
    with pytest.raises(SourceError, match=r"128 in 1 pixels.*Expected 0 and 255\."):
        MaskRule(MaskKind.BINARY, 2).decode(png([[0, 128, 255]]), "x")


def test_colours_of_a_jpeg_are_refused() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), RED).save(buffer, "JPEG")
    with pytest.raises(SourceError, match="is a JPEG, which changes the colours"):
        PALETTE.decode(buffer.getvalue(), "x")


def test_deep_colours_are_refused() -> None:
    with pytest.raises(SourceError, match="16 bits per channel, colours have 8"):
        PALETTE.decode(png([[40_000]], np.uint16), "x")


# Guessing the kind


@pytest.mark.parametrize(
    ("values", "n_classes", "ignore_value", "kind"),
    [
        ({0, 255}, None, None, MaskKind.BINARY),
        ({255}, 2, None, MaskKind.BINARY),
        ({0, 128, 255}, 2, 128, MaskKind.BINARY),
        ({0, 255}, 5, 255, MaskKind.INDEX),
        ({0, 255}, 2, 255, MaskKind.INDEX),
        ({0, 1, 255}, 2, None, MaskKind.INDEX),
        ({0, 1, 2, 99}, 3, 99, MaskKind.INDEX),
        (set(), 3, None, MaskKind.INDEX),
    ],
)
def test_kind_is_found_where_only_one_fits(
    values: set[int], n_classes: int | None, ignore_value: int | None, kind: MaskKind
) -> None:
    survey = MaskSurvey(frozenset(values), in_colour=0, in_grey=3, with_palette=0)
    assert guess_kind(survey, n_classes, ignore_value=ignore_value) is kind


@pytest.mark.parametrize(
    ("survey", "n_classes", "colours", "reason"),
    [
        (
            MaskSurvey(frozenset({0, 1}), 0, 3, 0),
            None,
            None,
            "hold 2 values up to 1, and no classes",
        ),
        (MaskSurvey(frozenset({0, 255}), 0, 3, 0), 5, None, "255 may be white, a class, or say"),
        (
            MaskSurvey(frozenset({0, 7}), 0, 3, 0),
            2,
            None,
            "hold 2 values up to 7, and 2 classes are",
        ),
        (MaskSurvey(frozenset(), 3, 0, 0), 2, None, "no colours of the classes are given"),
        (MaskSurvey(frozenset({0}), 3, 1, 0), 2, COLOURS, "3 masks are in colours and 1 are not"),
        (
            MaskSurvey(frozenset({0, 1}), 0, 3, 2, frozenset({(0, BLUE), (1, RED)})),
            2,
            COLOURS,
            "2 masks store indices with a colour table",
        ),
        (
            MaskSurvey(frozenset({0, 1}), 0, 3, 3, frozenset({(0, WHITE), (1, BLACK)})),
            2,
            None,
            "store 0 shown white and 1 shown black",
        ),
        (
            MaskSurvey(frozenset({0, 64, 128, 255}), 0, 3, 0),
            2,
            None,
            "soft edges, say --kind binary --threshold 128",
        ),
    ],
)
def test_kind_is_asked_for_where_several_fit(
    survey: MaskSurvey, n_classes: int | None, colours: dict[Colour, int] | None, reason: str
) -> None:
    with pytest.raises(SourceError, match=f"{reason}.*(Say which it is: index|--kind)"):
        guess_kind(survey, n_classes, colours=colours)


@pytest.mark.parametrize("values", [{0, 255}, {255}])
def test_white_in_a_region_that_was_asked_may_also_say_do_not_know(values: set[int]) -> None:
    survey = MaskSurvey(frozenset(values), 0, 1, 0)
    with pytest.raises(SourceError, match="--kind binary if .*--kind index if"):
        guess_kind(survey, 2, may_be_unsure=True)
    survey = MaskSurvey(frozenset({*values, 1}), 0, 1, 0)
    assert guess_kind(survey, 2, may_be_unsure=True) is MaskKind.INDEX


def test_coloured_masks_with_colours_given_are_palette_masks() -> None:
    assert guess_kind(MaskSurvey(frozenset(), 3, 0, 0), 2, colours=COLOURS) is MaskKind.PALETTE


def test_grey_masks_with_colours_given_are_still_indices() -> None:
    survey = MaskSurvey(frozenset({0, 1, 255}), 0, 3, 0)
    assert guess_kind(survey, 2, colours=COLOURS) is MaskKind.INDEX


def test_survey_looks_at_every_readable_mask() -> None:
    contents = [png([[0, 3]]), png([[7, 0]]), png([[RED, BLUE]]), with_palette([[0, 1]]), b"no"]
    survey = survey_masks(map(file, contents))
    assert survey.values == {0, 1, 3, 7}
    assert (survey.in_colour, survey.in_grey, survey.with_palette) == (1, 3, 1)
    assert survey.table == {(0, RED), (1, BLUE)}
    assert survey.colours == {RED, BLUE}
    (problem,) = survey.problems
    assert "cannot read 'x.png' as an image" in problem


def test_indices_whose_colours_agree_with_the_classes_are_clear() -> None:
    table = frozenset({(0, RED), (1, BLUE)})
    survey = MaskSurvey(frozenset({0, 1}), 0, 3, 3, table)
    assert guess_kind(survey, 2, colours=COLOURS) is MaskKind.INDEX


# Names and colours


def test_class_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "classes.json"
    path.write_text(
        '\ufeff{"classes": ["land", "road"], "colours": {"land": [1, 2, 3], "road": [4, 5, 6]},'
        ' "ignore_index": 255, "ignore_colour": [0, 0, 0]}',
        encoding="utf-8",
    )
    assert read_classes(path) == ClassFile(
        classes=("land", "road"),
        colours={"land": (1, 2, 3), "road": (4, 5, 6)},
        ignore_index=255,
        ignore_colour=(0, 0, 0),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "no valid JSON"),
        ('{"classes": ' + "[" * 100_000, "no valid JSON"),
        ('{"classes": ' + "9" * 5000, "no valid JSON"),
        ("[]", "the file: Input should be"),
        ("{}", "classes: Field required"),
        ('{"classes": "land"}', "classes: .*got 'land'"),
        ('{"classes": ["a"], "colours": {"a": [1, 2]}}', r"colours\.a\.2: Field required"),
        ('{"classes": ["a"], "colours": {"a": [1, 2, 256]}}', r"colours\.a\.2: .*got 256"),
        ('{"classes": ["a"], "ignore": 1}', "ignore: Extra inputs"),
    ],
)
def test_invalid_class_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "classes.json"
    path.write_text(text)
    with pytest.raises(SourceError, match=message):
        read_classes(path)


def test_missing_class_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot read the classes in .*No such file"):
        read_classes(tmp_path / "classes.json")


@pytest.mark.parametrize(
    ("names", "colours", "ignore_colour", "message"),
    [
        (("a",), None, None, "expected 2 to 255 names, got 1"),
        (("a", "b", "a"), None, None, r"\['a'\] come twice"),
        (("a", "b"), {"a": RED, "c": BLUE}, None, r"no colour for \['b'\], no class for \['c'\]"),
        (("a", "b"), {"a": RED, "b": RED}, None, r"\[\(255, 0, 0\)\] stand for several"),
        (("a", "b"), {"a": RED, "b": BLUE}, BLUE, r"\[\(0, 0, 255\)\] stand for several"),
    ],
)
def test_classes_that_contradict_themselves_are_problems(
    names: tuple[str, ...],
    colours: dict[str, tuple[int, int, int]] | None,
    ignore_colour: tuple[int, int, int] | None,
    message: str,
) -> None:
    (problem,) = check_classes(names, colours, ignore_colour)
    with pytest.raises(SourceError, match=message):
        raise SourceError(problem)


def test_sound_classes_have_no_problems() -> None:
    assert check_classes(("a", "b"), {"a": RED, "b": BLUE}, GREY) == []
