"""Score windows and choose regions: ours against scipy's convolution and one sort of all windows.

    python benchmarks/regions.py [--json] [--small] [--turns N]

The maps are drawn: crops of one smooth noise, each scaled by its own factor, because what a map
shows changes no time. A pool of 10,000 maps is streamed: no two maps are held at one time.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage, signal

from askmask.config import RegionConfig
from askmask.query.regions import (
    Candidate,
    places_of,
    ranked,
    select,
    window_origins,
    window_sums,
)
from askmask.query.regions.candidates import limit_of
from askmask.records import QueryItem, Region
from pairing import Comparison, arguments, compare, parse, peak_mb, show

Map = npt.NDArray[np.float32]
SIZE, STRIDE = (150, 150), 30
BUDGETS = (20, 100, 1000)


def score_maps(count: int, height: int, width: int) -> Iterator[tuple[str, Map]]:
    """Ids and (H, W) maps of a drawn pool, one after another; the same at every call."""
    generator = np.random.default_rng(0)
    noise = ndimage.gaussian_filter(generator.random((2 * height, 2 * width)), 8)
    noise = ((noise - noise.min()) / np.ptp(noise)).astype(np.float32)
    for number in range(count):
        row, col = generator.integers(0, height), generator.integers(0, width)
        crop = noise[row : row + height, col : col + width]
        yield f"image_{number:05d}", crop * np.float32(generator.uniform(0.5, 0.7))


def convolved(maps: list[tuple[str, Map]]) -> list[npt.NDArray[np.float64]]:
    """Window sums as scipy gives them: at every pixel, then those that are asked for."""
    kernel = np.ones(SIZE)
    sums = []
    for _, score in maps:
        rows, cols = (window_origins(n, s, STRIDE) for n, s in zip(score.shape, SIZE, strict=True))
        whole = signal.convolve(score.astype(np.float64), kernel, mode="valid")
        sums.append(whole[np.ix_(rows, cols)])
    return sums


def one_sort(maps: list[tuple[str, Map]], count: int) -> list[Region]:
    """Sort every window of the pool at once and choose greedily without overlap."""
    windows = []
    for (image_id, score), sums in zip(maps, convolved(maps), strict=True):
        rows, cols = (window_origins(n, s, STRIDE) for n, s in zip(score.shape, SIZE, strict=True))
        windows += [
            (-sums[i, j], Region(image_id, int(row), int(col), *SIZE))
            for i, row in enumerate(rows)
            for j, col in enumerate(cols)
        ]
    chosen: list[Region] = []
    for _, region in sorted(windows):
        if not any(region.overlaps(other) for other in chosen):
            chosen.append(region)
        if len(chosen) == count:
            break
    return chosen


def candidates(
    maps: Iterator[tuple[str, Map]] | list[tuple[str, Map]], budget: int
) -> Iterator[list[Candidate]]:
    """Each image's candidates, as its map comes; nothing is labelled."""
    config = RegionConfig(size=SIZE, stride=STRIDE, budget_regions=budget)
    for image_id, score in maps:
        places = places_of(image_id, np.ones(score.shape, dtype=np.bool_), config)
        yield ranked(places, places.scores(score), limit_of(config))


def chosen_regions(maps: list[tuple[str, Map]], budget: int) -> list[Region]:
    """Regions that our streamed selection chooses."""
    items = select(candidates(maps, budget), RegionConfig(budget_regions=budget))
    return [item.region for item in items]


def in_fp32(maps: list[tuple[str, Map]]) -> list[npt.NDArray[np.float64]]:
    """Window sums as products with two 0/1 matrices in float32: what was tried instead."""
    matrices = []
    for axis in (0, 1):
        length, size = maps[0][1].shape[axis], SIZE[axis]
        place, first = np.arange(length), window_origins(length, size, STRIDE)[:, None]
        inside = (place >= first) & (place < first + size)
        matrices.append(torch.from_numpy(inside.astype(np.float32)))
    rows, cols = matrices
    return [((rows @ torch.from_numpy(score)) @ cols.T).double().numpy() for _, score in maps]


def window_sums_of(maps: list[tuple[str, Map]]) -> list[npt.NDArray[np.float64]]:
    """Window sums as we do them: in float64."""
    return [window_sums(score, SIZE, STRIDE) for _, score in maps]


def largest_difference(
    expected: list[npt.NDArray[np.float64]], sums: list[npt.NDArray[np.float64]]
) -> float:
    """Relative to the window's sum."""
    return max(float((abs(a - b) / a).max()) for a, b in zip(expected, sums, strict=True))


def other_regions(expected: list[Region], regions: list[Region]) -> float:
    """Places at which the two queries differ."""
    assert len(expected) == len(regions)
    return float(sum(a != b for a, b in zip(expected, regions, strict=True)))


def streamed_pool(count: int, side: int) -> Callable[[], tuple[QueryItem, ...]]:
    """Score and choose from a pool that is drawn on the way, for `peak_mb`."""
    config = RegionConfig(budget_regions=max(BUDGETS))
    return lambda: select(candidates(score_maps(count, side, side), max(BUDGETS)), config)


def pool_row(count: int, side: int) -> Comparison:
    """Time and memory of a streamed pool; nothing to compare with, so the ratio is NaN."""
    drawing, scoring = 0.0, 0.0
    lists = []
    maps = score_maps(count, side, side)
    while True:
        started = time.perf_counter()
        found = next(maps, None)
        drawn = time.perf_counter()
        drawing += drawn - started
        if found is None:
            break
        lists += candidates([found], max(BUDGETS))
        scoring += time.perf_counter() - drawn
    notes: dict[str, object] = {"draw_s": drawing, "score_s": scoring}
    for budget in BUDGETS:
        started = time.perf_counter()
        select(lists, RegionConfig(budget_regions=budget))
        notes[f"select_{budget}_s"] = time.perf_counter() - started
    peak = peak_mb(partial(streamed_pool, count, side))
    nan = float("nan")
    name = f"select over {count} maps of {side}x{side}"
    return Comparison(name, nan, (nan, nan), nan, scoring, nan, peak, 1, notes)


def main() -> None:
    """Compare, then print."""
    options = parse(arguments("Region scoring and selection."))
    count, pools = (8, (65, 500)) if options.small else (65, (65, 1000, 10_000))
    maps = list(score_maps(count, 528, 784))
    sums = compare(
        f"window sums, {count} maps of 528x784",
        partial(convolved, maps),
        partial(window_sums_of, maps),
        difference=largest_difference,
        turns=options.turns,
        tolerance=1e-9,  # the convolution by FFT loses some digits
    )
    again = maps[:1] * count
    hot = compare(
        f"window sums, one map of 528x784 (in cache), {count} times",
        partial(convolved, again),
        partial(window_sums_of, again),
        difference=largest_difference,
        turns=options.turns,
        tolerance=1e-9,
    )
    single = compare(
        f"fp32 matrix products against ours, {count} maps",
        partial(in_fp32, maps),
        partial(window_sums_of, maps),
        difference=largest_difference,
        turns=options.turns,
        tolerance=1e-5,
    )
    query = compare(
        f"query of 20 regions from {count} maps",
        partial(one_sort, maps, 20),
        partial(chosen_regions, maps, 20),
        difference=other_regions,
        turns=options.turns,
        tolerance=0,
    )
    whole = [
        np.round(score.astype(np.float64) * 2**20) for _, score in maps[:8]
    ]  # integers: their sums have one right answer
    exact = all(
        np.array_equal(window_sums(score, SIZE, STRIDE), integer_sums(score)) for score in whole
    )
    rows = [replace(sums, notes={"exact_on_integers": exact}), hot, single, query]
    rows += [pool_row(pool, 500) for pool in pools]
    show(rows, as_json=options.json)
    if not options.json:
        for row in rows:
            shown = {
                key: f"{value:.3g}" if isinstance(value, float) else value
                for key, value in row.notes.items()
            }
            print(row.name, shown or "")


def integer_sums(score: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Window sums in integers, one slice at a time."""
    rows, cols = (window_origins(n, s, STRIDE) for n, s in zip(score.shape, SIZE, strict=True))
    whole = score.astype(np.int64)
    return np.array(
        [[whole[r : r + SIZE[0], c : c + SIZE[1]].sum() for c in cols] for r in rows]
    ).astype(np.float64)


if __name__ == "__main__":
    main()
