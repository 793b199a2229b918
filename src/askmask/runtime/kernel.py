"""The optional compiled kernel: built on demand, loaded only if it is there.

C++ files without dependencies are compiled by the system's compiler into a cache of the user and
called through ctypes: no PyTorch headers, so it takes seconds and fits every version of PyTorch. It
uses the threads of PyTorch's own OpenMP. Everything works without it, only slower.
"""

import ctypes
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from askmask.errors import KernelError
from askmask.runtime.cache import user_cache

SWITCH: Final = "ASKMASK_KERNEL"
"""Environment variable: ``off`` leaves the kernel unused."""

_FOLDER: Final = Path(__file__).with_name("native")
_SOURCES: Final = tuple(
    _FOLDER / f"{name}.cpp" for name in ("sampling", "masks", "counting", "pyramid")
)
_HEADERS: Final = (_FOLDER / "floats.h",)
_FLAGS: Final = (
    "-O3",
    "-march=native",
    *(("-mprefer-vector-width=512",) if platform.machine() in ("x86_64", "AMD64") else ()),
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fopenmp",
    "-fPIC",
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kernel:
    """Functions of the loaded library; see the source for what they do."""

    _library: Any  # Any: a ctypes library has whatever functions it has

    def keep_mask(self, key: int, threshold: int, words: int) -> npt.NDArray[np.uint8]:
        """Draw the mask of 64 `words` activations; see `askmask.models.dropout.packed_keep_mask`.

        `key` is that of numpy's Philox generator, 128 bits; `threshold` in [0, 65535].
        """
        keep = np.empty(words, "<u8")
        low, high = key % 2**64, key >> 64
        self._library.keep_mask(
            ctypes.c_uint64(low),
            ctypes.c_uint64(high),
            ctypes.c_int64(threshold),
            ctypes.c_int64(words),
            ctypes.c_void_p(keep.ctypes.data),
        )
        return keep.view(np.uint8)

    def drop_and_clamp(
        self,
        source: Tensor,
        x: Tensor,
        active: Tensor | None,
        masks: Tensor,
        bounds: tuple[Tensor, Tensor] | None,
        scale: float,
    ) -> None:
        """Apply dropout to rows, and clamp what comes of it into `active` if that is given.

        Parameters
        ----------
        source : (B * N, D) or (N, D) tensor
            One for each sample, or the same for all of them; may be `x`.
        x, active : (B * N, D) tensors
            Results. Contiguous, bfloat16 or float32; D a multiple of 16.
        masks : (B, bytes) uint8 tensor
            See `askmask.models.dropout.packed_keep_mask`.
        bounds : two (D,) tensors, optional
            Lower and upper, of the type of `x`; with `active` only.
        scale : float
            What kept values are multiplied with; rounded to the type of `x`.
        """
        low, high = (None, None) if bounds is None else bounds
        run = getattr(self._library, f"drop_and_clamp_{_suffix(x)}")
        run(
            *(_pointer(tensor) for tensor in (source, x, active, masks, low, high)),
            *(ctypes.c_int64(n) for n in (*x.shape, len(x) // len(masks), masks.shape[1])),
            ctypes.c_int64(len(source)),
            ctypes.c_float(float(torch.tensor(scale).to(x.dtype))),
        )

    def add_samples(
        self, reach: tuple[Tensor, Tensor], weights: tuple[Tensor, ...], sums: Tensor, heads: int
    ) -> None:
        """Add the samples of two-class heads to `sums`, (5, h * w, 256) float32, in place.

        Parameters
        ----------
        reach : two (B, h, w, heads * 2, 576) tensors
            Products of stages 3 and 4 with the transposed convolutions.
        weights : three float32 tensors
            Logits of stage 2 (heads * 2, h * w * 256); biases (2, heads * 2); scores
            (2, heads, 6).
        sums : float32 tensor
            Probabilities of both classes, entropy, votes for the second, contour.
        heads : int
            1, or 2 with the boundary head.
        """
        samples, height, width = reach[0].shape[:3]
        run = getattr(self._library, f"add_samples_{_suffix(reach[0])}")
        run(
            *(_pointer(tensor) for tensor in (*reach, *weights, sums)),
            *(ctypes.c_int64(n) for n in (samples, height, width, heads)),
        )

    def norm_relu_drop(
        self, x: Tensor, norm: tuple[Tensor, Tensor], groups: int, masks: Tensor | None, *, p: float
    ) -> None:
        """Group norm (epsilon 1e-5), ReLU and dropout of `x`, in place.

        Parameters
        ----------
        x : (B, D, H, W) tensor
            Channels last in memory, bfloat16 or float32; D a multiple of 16 and at most 512.
        norm : two (D,) float32 tensors
            Weight and bias.
        groups : int
            Divides D.
        masks : (B, bytes) uint8 tensor or None
            See `askmask.models.dropout.packed_keep_mask`; None drops nothing.
        p : float
            Probability of dropping, with `masks` only.
        """
        run = getattr(self._library, f"norm_relu_drop_{_suffix(x)}")
        batch, channels, height, width = x.shape
        run(
            *(_pointer(tensor) for tensor in (_rows(x), *norm, masks)),
            *(ctypes.c_int64(n) for n in (batch, height * width, channels, groups)),
            ctypes.c_int64(_bytes_per_sample(masks)),
            ctypes.c_float(1e-5),
            ctypes.c_float(1 / (1 - p)),
        )

    def norm_relu_drop_heads(
        self,
        x: Tensor,
        norm: tuple[Tensor, Tensor],
        groups: int,
        masks: Tensor | None,
        heads: tuple[Tensor, Tensor],
        *,
        p: float,
    ) -> Tensor:
        """`norm_relu_drop`, then a 1x1 convolution; `x` is not modified.

        Parameters
        ----------
        x, norm, groups, masks, p
            As in `norm_relu_drop`.
        heads : (K, D) and (K,) float32 tensors
            Weights and biases.

        Returns
        -------
        (B, K, H, W) float32 tensor
        """
        run = getattr(self._library, f"norm_relu_drop_heads_{_suffix(x)}")
        batch, channels, height, width = x.shape
        out = torch.empty(batch, len(heads[0]), height, width)
        run(
            *(_pointer(tensor) for tensor in (_rows(x), *norm, masks, *heads, out)),
            *(ctypes.c_int64(n) for n in (batch, height * width, channels, groups)),
            *(ctypes.c_int64(n) for n in (_bytes_per_sample(masks), len(heads[0]))),
            ctypes.c_float(1e-5),
            ctypes.c_float(1 / (1 - p)),
        )
        return out

    def add_upsampled(
        self, coarse: Tensor, term: Tensor, masks: Tensor | None, out: Tensor, *, p: float
    ) -> None:
        """Coarse maps at twice the resolution plus a finer term, then dropout, into `out`.

        Parameters
        ----------
        coarse : (B, D, h, w) tensor
            As `x` in `norm_relu_drop`; feature i comes to lie at place 2 i + 1.
        term : (1, D, 2 h, 2 w) tensor
            The same for every sample.
        masks, p
            As in `norm_relu_drop`.
        out : (B, D, 2 h, 2 w) tensor
            Result.
        """
        run = getattr(self._library, f"add_upsampled_{_suffix(coarse)}")
        batch, channels, height, width = coarse.shape
        tensors = (_rows(coarse), _rows(term), _rows(out), masks)
        run(
            *(_pointer(tensor) for tensor in tensors),
            *(ctypes.c_int64(n) for n in (batch, height, width, channels)),
            ctypes.c_int64(_bytes_per_sample(masks)),
            ctypes.c_float(1 / (1 - p)),
        )

    def add_pyramid_samples(
        self, logits: Tensor, base: Tensor, sums: Tensor, n_classes: int
    ) -> None:
        """Add samples to `sums`, in place.

        Parameters
        ----------
        logits : (B, K, h, w) float32 tensor
            At stride 4: of each class, or of two classes the second minus the first; then, if
            wanted, those of a contour, contour minus none.
        base : (K, H, W) float32 tensor
            Added at full resolution; H <= 4 h, W <= 4 w.
        sums : (M, H, W) float32 tensor
            Probabilities of each class; entropy; votes for each class, of two for the second
            only; contour.
        n_classes : int
            C >= 2.
        """
        batch, heads, height, width = logits.shape
        self._library.add_pyramid_samples(
            *(_pointer(tensor) for tensor in (logits, base, sums)),
            *(ctypes.c_int64(n) for n in (batch, heads, n_classes, height, width)),
            *(ctypes.c_int64(n) for n in sums.shape[1:]),
        )

    def count_pixels(
        self,
        probs: npt.NDArray[np.floating],
        labels: npt.NDArray[np.int16],
        cells: tuple[int, ...],
        sums: npt.NDArray[np.float64],
    ) -> bool:
        """Add the calibration sums of one image to `sums`, in place.

        Parameters
        ----------
        probs : (C, H, W) float32 or float64 array
            Contiguous.
        labels : (H, W) int16 array
            Contiguous; -1 = not labelled.
        cells : five ints
            Cells of equal width; of doubt, how far a float32 is shifted for its cell, and the first
            one's number; parts that are counted each by itself and then added.
        sums : float64 array
            Cells x 3 of each class, of the top label, and by doubt; then log loss, squared error
            and pixels.

        Returns
        -------
        bool
            False, and nothing added, if a labelled pixel has no probabilities or no class.
        """
        assert probs.flags.c_contiguous
        assert labels.flags.c_contiguous
        assert sums.flags.c_contiguous
        run = getattr(self._library, "count_pixels_" + {4: "fp32", 8: "fp64"}[probs.itemsize])
        numbers = (ctypes.c_int64(n) for n in (labels.size, len(probs), *cells))
        arrays = (ctypes.c_void_p(array.ctypes.data) for array in (probs, labels))
        return bool(run(*arrays, *numbers, ctypes.c_void_p(sums.ctypes.data)))


def build_kernel() -> Path:
    """Compile the kernel for this machine; returns the file, which later runs load.

    Raises
    ------
    KernelError
        If there is no C++ compiler, or it fails.
    """
    compiler = shutil.which(os.environ.get("CXX", "c++")) or shutil.which("g++")
    if compiler is None:
        raise KernelError(
            "expected a C++ compiler (c++ or g++, or the one that CXX names), found none. Install "
            "one, or go on without: everything works, only slower."
        )
    path = kernel_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    stem = f"{path.stem}.{os.getpid()}"
    compiled = [path.with_name(f"{stem}.{source.stem}.o") for source in _SOURCES]
    library = path.with_name(f"{stem}.unfinished")
    try:
        for source, target in zip(_SOURCES, compiled, strict=True):
            _run(compiler, *_FLAGS, "-c", str(source), "-o", str(target))
        # Linked without -fopenmp: a second OpenMP would bring threads of its own.
        _run(compiler, "-shared", *map(str, compiled), "-o", str(library))
        _open(library)
        library.replace(path)
    finally:
        for part in (*compiled, library):
            part.unlink(missing_ok=True)
    load_kernel.cache_clear()
    return path


@lru_cache(maxsize=1)
def load_kernel() -> Kernel | None:
    """Return the kernel if it was built on this machine and is not switched off, else None."""
    if os.environ.get(SWITCH, "") == "off" or not kernel_path().is_file():
        return None
    try:
        return Kernel(_open(kernel_path()))
    except KernelError as error:
        _log.warning("%s Work goes on without it.", error)
        return None


def kernel_path() -> Path:
    """Where the kernel of these sources, these flags and this processor is or will be."""
    digest = hashlib.blake2b(digest_size=8)
    for source in (*_SOURCES, *_HEADERS):
        digest.update(source.read_bytes())
    digest.update(" ".join((*_FLAGS, platform.machine(), _processor())).encode())
    return user_cache() / f"kernel-{digest.hexdigest()}.so"


def _open(path: Path) -> Any:
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise KernelError(
            f"expected a loadable kernel at {str(path)!r}, but: {error}. Delete it, and build it "
            f"again with `askmask build-kernel`."
        ) from error


def _run(*command: str) -> None:
    finished = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if finished.returncode != 0:
        last = (finished.stderr.strip().splitlines() or ["no message"])[-1]
        raise KernelError(
            f"expected {command[0]!r} to compile the kernel, but: {last}. Take another "
            f"compiler by CXX, or go on without: everything works, only slower."
        )


def _processor() -> str:
    """What -march=native depends on: the processor's features."""
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return sys.platform
    lines = path.read_text(encoding="utf-8").splitlines()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def _suffix(x: Tensor) -> str:
    return "bf16" if x.dtype == torch.bfloat16 else "fp32"


def _rows(x: Tensor) -> Tensor:
    """View maps that are channels last in memory as (B, H, W, D)."""
    return x.permute(0, 2, 3, 1)


def _bytes_per_sample(masks: Tensor | None) -> int:
    return 0 if masks is None else masks.shape[1]


def _pointer(tensor: Tensor | None) -> ctypes.c_void_p:
    if tensor is None:
        return ctypes.c_void_p(None)
    assert tensor.is_contiguous()
    assert tensor.device.type == "cpu"
    return ctypes.c_void_p(tensor.data_ptr())
