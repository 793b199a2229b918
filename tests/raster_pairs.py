"""Pairs of small rasters for properties of scores of objects."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

shapes = st.tuples(st.integers(1, 7), st.integers(1, 7))


masks = shapes.flatmap(
    lambda shape: st.tuples(arrays.arrays(np.bool_, shape), arrays.arrays(np.bool_, shape))
).filter(lambda pair: pair[0].any() and pair[1].any())
