"""The state of an unfinished training as one safetensors file, whole or absent.

A checkpoint says what it is of (settings, seed, round, data, starting weights). One of anything
else is never mixed in: it is ignored, and the log says in what it differs.
"""

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from askmask.errors import DiskError
from askmask.whole_files import clear_leftovers, replacing

_log = logging.getLogger(__name__)

FORMAT: Final = "askmask-checkpoint-2"

_NUMBERS: Final = ("step", "elapsed_seconds", "steps", "best_loss")

Fingerprint = Mapping[str, Any]
"""What a training is a function of, as JSON (Any: each entry has its own form)."""


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """State after `step` steps.

    Attributes
    ----------
    step : int
        Steps done.
    elapsed_seconds : float
        Time they took, over all interruptions.
    tensors : mapping of str to tensor
        Weights, averages and moments by name, on the CPU.
    steps : int
        Steps that the training has in all, as planned before the first.
    best_loss : float
        Lowest loss on validation images so far, infinite before the first.
    """

    step: int
    elapsed_seconds: float
    tensors: Mapping[str, Tensor]
    steps: int
    best_loss: float = math.inf


def write_checkpoint(path: Path, checkpoint: Checkpoint, fingerprint: Fingerprint) -> None:
    """Replace the checkpoint at `path`: a crash at any moment leaves the old or the new one, whole.

    The file is written beside its place, flushed to the disk and renamed.

    Parameters
    ----------
    path : Path
        The file; its folder is made if need be.
    checkpoint : Checkpoint
        Tensors on any device; they are copied.
    fingerprint : mapping
        What the checkpoint is of, in JSON.

    Raises
    ------
    DiskError
        If the disk is full; the old checkpoint is still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {name: getattr(checkpoint, name) for name in _NUMBERS}
    metadata = {"format": FORMAT, "state": json.dumps(state), "of": json.dumps(dict(fingerprint))}
    # safetensors refuses views, other memory layouts and tensors that share memory
    tensors = {
        name: t.detach().cpu().contiguous().clone() for name, t in checkpoint.tensors.items()
    }
    try:
        with replacing(path) as unfinished:
            save_file(tensors, unfinished, metadata)
    except SafetensorError as error:
        raise DiskError(
            f"expected to write the checkpoint {str(path)!r}, but: {error}. Make room there, then "
            "repeat it: training goes on from the checkpoint before."
        ) from error


def read_checkpoint(path: Path, fingerprint: Fingerprint) -> Checkpoint | None:
    """Read the checkpoint at `path` if there is one of exactly this training.

    Returns
    -------
    Checkpoint or None
        None if there is no file, or with a warning in the log if the file is not a checkpoint of
        `fingerprint` or cannot be read; the training then starts from its beginning.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                found = metadata.get("format")
                _log.warning(
                    "ignoring %s: expected format %r, got %r. Starting over.", path, FORMAT, found
                )
                return None
            differing = _differing(json.loads(metadata["of"]), fingerprint)
            if differing:
                _log.warning(
                    "ignoring the checkpoint %s: it is of another training (different %s). "
                    "Starting over.",
                    path,
                    ", ".join(differing),
                )
                return None
            state = json.loads(metadata["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
    except (SafetensorError, OSError) as error:
        _log.warning(
            "ignoring the checkpoint %s: it cannot be read (%s). Starting over.", path, error
        )
        return None
    return Checkpoint(tensors=tensors, **state)


def remove_checkpoint(path: Path) -> None:
    """Remove the checkpoint at `path` and what an interrupted write left; fine if there is none."""
    path.unlink(missing_ok=True)
    if path.parent.is_dir():
        clear_leftovers(path)


def _differing(found: dict[str, Any], expected: Fingerprint) -> list[str]:
    """Names of the entries that differ; `expected` as it looks after a way through JSON."""
    wanted = json.loads(json.dumps(dict(expected)))
    return sorted(key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key))
