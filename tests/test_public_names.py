"""The public API: sorted, complete, lazy, and nothing else."""

import pytest

import askmask


def test_all_is_sorted_and_without_repeats() -> None:
    assert sorted(set(askmask.__all__), key=lambda n: (not n.isupper(), n)) == askmask.__all__


@pytest.mark.parametrize("name", askmask.__all__)
def test_public_name_can_be_imported_and_is_documented(name: str) -> None:
    thing = getattr(askmask, name)
    assert name == "UNLABELLED" or thing.__doc__


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Lop'"):
        askmask.Lop  # noqa: B018


def test_dir_lists_the_public_names() -> None:
    assert set(askmask.__all__) <= set(dir(askmask))
