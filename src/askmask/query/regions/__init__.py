"""From score maps to a query: window sums, no overlap, budget.

Pure functions on arrays. One image at a time becomes `Places`, and with a utility for each of them
a short list of candidates (`ranked`); `select` merges the lists of a whole pool, which it reads
once and does not hold. Nothing here knows a model or a file.

The rules:

- **What counts.** Only *available* pixels: valid, not labelled, not pending. The others add 0 to
  every score and every cost, and a window or image without an available pixel is no candidate.
- **Order.** Largest score first; equal scores by image id, row, column, smallest first.
- **Overlap.** ``forbid``: best first, a window that overlaps a better chosen one is dropped.
  Windows of different images never overlap, so doing this per image, before merging, gives the
  same choice as one pass over all windows of all images. ``allow``: nothing is dropped.
- **Budget.** A number of regions or images, or of unique new pixels. Pixels are filled best first
  and a candidate that does not fit is passed over; the windows that it had displaced stay
  dropped. With ``allow`` the cost is the union of the windows, and the first window that does not
  fit ends the query: passing over would fill the rest with slivers beside the chosen windows.
"""

from askmask.query.regions.candidates import (
    Candidate,
    ranked,
)
from askmask.query.regions.places import Places, Rule, places_of
from askmask.query.regions.selection import select
from askmask.query.regions.windows import window_origins, window_sums

__all__ = [
    "Candidate",
    "Places",
    "Rule",
    "places_of",
    "ranked",
    "select",
    "window_origins",
    "window_sums",
]
