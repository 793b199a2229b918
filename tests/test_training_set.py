"""The labelled set as training reads it: composed from the answers, contours drawn from them."""

from pathlib import Path

import numpy as np

from askmask.data.targets import boundary_target
from askmask.loop.labelled_images import LabelledSet
from askmask.loop.oracle import MaskOracle
from askmask.store.store import Store
from fakes import drawn_source


def test_contour_targets_reach_as_far_as_the_radius_says(tmp_path: Path) -> None:
    source = drawn_source(1)
    info = source.images()[0]
    with Store(tmp_path / "askmask.db") as store:
        store.add_images([info])
        store.add_answer(MaskOracle(source).answer(info.whole, 0))
        thin = LabelledSet(source, store, boundary_radius=1.5).read(info.image_id)
        without = LabelledSet(source, store, boundary_radius=None).read(info.image_id)
    mask = source.read_mask(info.image_id)
    assert mask is not None
    np.testing.assert_array_equal(thin.boundary, boundary_target(mask, 1.5))
    assert without.boundary is None
