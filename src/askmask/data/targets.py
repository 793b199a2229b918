"""Targets of the boundary head: contours of objects, drawn from a mask."""

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float64, Int16
from scipy import ndimage

from askmask.errors import ConfigError
from askmask.records import UNLABELLED, Mask


def boundary_target(mask: Mask, radius: float = 3.0) -> Int16[np.ndarray, "H W"]:
    """Contour raster of a mask: 1 on a contour, 0 elsewhere, `UNLABELLED` without labels.

    A pixel lies on a contour if the Sobel magnitude of the instance raster (of the class raster
    when there are no instances) is above 0 within `radius` pixels of it. Objects that touch so
    stay apart, which the class raster alone cannot say.

    Parameters
    ----------
    mask : Mask
        Labels of one image or region; may be partly labelled. Not modified.
    radius : float
        Radius in pixels, Euclidean, of the disk that thickens the contour; 0 leaves the Sobel
        edge, which is two pixels wide.

    Returns
    -------
    (H, W) int16 array
        Owned by the caller; all `UNLABELLED` if no pixel is labelled.

    Raises
    ------
    ConfigError
        If `radius` is negative.

    Notes
    -----
    Before the filter, an unlabelled pixel takes the value of its nearest labelled pixel, and the
    image is continued by its border pixels; so neither the border of an answered region nor that
    of the image becomes a contour. Two objects meeting inside an unlabelled part do make one, of
    which only the thickened rim over labelled pixels is seen.

    References
    ----------
    Sobel edge and disk of radius 3: Li and Alstrøm 2020, arXiv:2007.06364, and its public code.

    Examples
    --------
    >>> labels = np.array([[0, 0, 0, 1, 1, 1]], dtype=np.int16)
    >>> boundary_target(Mask(labels), radius=0.0)
    array([[0, 0, 1, 1, 0, 0]], dtype=int16)
    >>> boundary_target(Mask(labels), radius=1.0)
    array([[0, 1, 1, 1, 1, 0]], dtype=int16)
    """
    if radius < 0:
        raise ConfigError(f"expected a contour radius >= 0 pixels, got {radius!r}.")
    labelled = mask.labelled
    if not labelled.any():
        return np.full(mask.labels.shape, UNLABELLED, np.int16)
    raster = mask.labels if mask.instances is None else mask.instances
    # float64 holds every sum of eight int32 ids exactly, int32 would overflow
    values = _continued(raster.astype(np.float64), labelled)
    contour = _thickened(_sobel_edge(values), radius)
    return np.where(labelled, contour, UNLABELLED).astype(np.int16)


def _continued(
    values: Float64[np.ndarray, "H W"], labelled: Bool[np.ndarray, "H W"]
) -> Float64[np.ndarray, "H W"]:
    """Values with each unlabelled pixel set to its nearest labelled one's."""
    if labelled.all():
        return values
    rows, cols = ndimage.distance_transform_edt(
        ~labelled, return_distances=False, return_indices=True
    )
    nearest: npt.NDArray[np.float64] = values[rows, cols]
    return nearest


def _sobel_edge(values: Float64[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """Where the Sobel magnitude is above 0; sums of integers, so the comparison is exact."""
    down = ndimage.sobel(values, axis=0, mode="nearest")
    right = ndimage.sobel(values, axis=1, mode="nearest")
    edge: npt.NDArray[np.bool_] = (down != 0) | (right != 0)
    return edge


def _thickened(edge: Bool[np.ndarray, "H W"], radius: float) -> Bool[np.ndarray, "H W"]:
    """Dilation by a disk: pixels whose distance to the edge is at most `radius`."""
    if radius == 0 or not edge.any():
        return edge
    near: npt.NDArray[np.bool_] = ndimage.distance_transform_edt(~edge) <= radius
    return near
