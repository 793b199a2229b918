"""Windows and their selection by plain loops, to compare with, and pools to compare on."""

import math

import numpy as np
from hypothesis import strategies as st

from askmask.config import RegionConfig
from askmask.query.regions import select
from askmask.records import Region
from plain_candidates import scored_candidates


def everywhere(height, width):
    return np.ones((height, width), dtype=bool)


def all_windows(image_id, score, available, config):
    """Every window with a new pixel as (-sum, region, new pixels), by plain loops."""
    height, width = (min(s, n) for s, n in zip(config.size, score.shape, strict=True))
    found = []
    for row in all_origins(score.shape[0], height, config.stride):
        for col in all_origins(score.shape[1], width, config.stride):
            region = Region(image_id, row, col, height, width)
            total = new = 0
            for i in range(row, row + height):
                for j in range(col, col + width):
                    total += float(score[i, j]) * bool(available[i, j])
                    new += bool(available[i, j])
            if new:
                found.append((-total, region, new))
    return found


def all_origins(length, size, stride):
    origins = [o for o in range(0, length, stride) if o + size <= length]
    return origins if origins[-1] + size == length else [*origins, length - size]


def global_greedy(pool, config):
    """One pass over all windows of all images, best first, without overlap, within the budget."""
    kept, chosen, left = [], [], config.budget_pixels or math.inf
    everything = [
        w for image_id, maps in pool.items() for w in all_windows(image_id, *maps, config)
    ]
    for negative, region, new in sorted(everything):
        if any(region.overlaps(other) for other in kept):
            continue
        kept.append(region)
        if new <= left and len(chosen) < (config.budget_regions or math.inf):
            chosen.append((region, -negative, new))
            left -= new
    return chosen


def chosen_of(pool, config):
    lists = (scored_candidates(image_id, *maps, config) for image_id, maps in pool.items())
    return [(item.region, item.score, item.new_pixels) for item in select(lists, config)]


@st.composite
def pools(draw, overlap="forbid"):
    """Up to four small images with whole-numbered scores (so that ties are common and exact)."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    pool = {}
    for name in draw(st.permutations(["a", "b", "c", "d"]))[: draw(st.integers(1, 4))]:
        shape = (draw(st.integers(1, 9)), draw(st.integers(1, 9)))
        score = rng.integers(0, draw(st.sampled_from([1, 2, 50])), shape, endpoint=True)
        available = rng.random(shape) < draw(st.sampled_from([0.0, 0.3, 0.9, 1.0]))
        pool[name] = (score.astype(np.float32), available)
    kind = draw(st.sampled_from(["budget_regions", "budget_pixels"]))
    config = RegionConfig(
        size=(draw(st.integers(1, 5)), draw(st.integers(1, 5))),
        stride=draw(st.integers(1, 6)),
        overlap=overlap,
        **{kind: draw(st.integers(1, 40))},
    )
    return pool, config


def covered(pool, regions):
    """Available pixels inside at least one region."""
    total = 0
    for image_id, (_, available) in pool.items():
        inside = np.zeros_like(available)
        for region in regions:
            if region.image_id == image_id:
                inside[region.slices] = True
        total += int((inside & available).sum())
    return total
