"""The simulated oracle: the contract, and how its answers compose in a store."""

from pathlib import Path

import numpy as np
import pytest

from askmask.data.source import MemorySource
from askmask.errors import SourceError
from askmask.loop.oracle import MaskOracle
from askmask.records import Region
from askmask.store.store import MASK_TOOL, Store
from askmask.testing.oracles import KNOWN, PLAIN, OracleContract, drawn_source


class TestMaskOracle(OracleContract):
    def make_oracle(self, source: MemorySource) -> MaskOracle:
        return MaskOracle(source)


def test_provenance_is_simulated_and_no_time_is_made_up() -> None:
    answer = MaskOracle(drawn_source()).answer(KNOWN.whole, 2)

    assert (answer.author, answer.tool) == ("simulated", MASK_TOOL)
    assert answer.seconds is None
    assert answer.model is None


def test_object_ids_are_those_of_the_mask() -> None:
    oracle = MaskOracle(drawn_source())

    with_objects = oracle.answer(Region("known", 0, 3, 2, 2), 1).mask
    without = oracle.answer(PLAIN.whole, 1).mask

    np.testing.assert_array_equal(with_objects.instances, [[8, 0], [8, 0]])
    assert without.instances is None


def test_missing_mask_names_the_two_ways_out() -> None:
    with pytest.raises(SourceError, match=r"Add the mask to the data set, or let a person answer"):
        MaskOracle(drawn_source()).answer(Region("blank", 0, 0, 1, 1), 1)


def test_answers_to_pieces_of_an_image_compose_to_its_mask(tmp_path: Path) -> None:
    source = drawn_source()
    oracle = MaskOracle(source)
    expected = source.read_mask("known")
    assert expected is not None
    with Store(tmp_path / "askmask.db") as store:
        store.add_images(source.images())
        for region in (
            Region("known", 0, 3, 4, 3),
            Region("known", 0, 0, 2, 4),
            Region("known", 1, 0, 3, 3),
        ):
            store.add_answer(oracle.answer(region, 1))

        mask = store.labelled("known")

        np.testing.assert_array_equal(mask.labels, expected.labels)
        np.testing.assert_array_equal(mask.instances, expected.instances)
        assert store.labelled_pixels() == expected.labelled.sum()
