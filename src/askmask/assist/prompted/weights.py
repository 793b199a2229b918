"""The pair of ONNX files: read, checked by digest and form, and run. Only here is onnxruntime."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from askmask.assist.prompted.frame import SIDE, Floats, SquareFrame
from askmask.assist.prompted.prompt import Prompt
from askmask.config import AssistConfig
from askmask.errors import ConfigError, WeightsError

LOGITS: Final = "low_res_masks"
"""Output of a decoder: masks of the whole square, positive inside. Its output ``masks`` is not
used, since exporters have fixed the shape of the picture in it."""
_INPUTS: Final = (
    *("image_embeddings", "point_coords", "point_labels"),
    *("mask_input", "has_mask_input", "orig_im_size"),
)
_FLOAT: Final = "tensor(float)"
_MORE: Final = "docs/how-to/annotate.md says which files fit and how to get them."


class PictureEncoder:
    """Makes embeddings of pictures.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        As `open_encoder` checks it.
    """

    def __init__(self, session: Any) -> None:  # Any: onnxruntime has no types
        self._session = session
        (self._input,) = session.get_inputs()
        self._output = session.get_outputs()[0].name

    def embed(self, pixels: npt.NDArray[np.uint8]) -> Floats:
        """Embedding of a picture (H, W, 3), as (1, C, h, w).

        Raises
        ------
        WeightsError
            If the network fails on it, or what it makes is no such array of finite numbers.
        """
        height, width = pixels.shape[:2]
        frame = SquareFrame(height, width)
        is_square = len(self._input.shape) == 4
        given = frame.square(pixels) if is_square else frame.picture(pixels)
        (embedding,) = _run(self._session, [self._output], {self._input.name: given}, "encoder")
        if embedding.ndim != 4 or not np.isfinite(embedding).all():
            raise WeightsError(
                "expected finite numbers of shape (1, C, h, w) from the assistant's encoder, got "
                f"{embedding.shape}{'' if embedding.ndim != 4 else ' with others among them'}. "
                f"{_MORE}"
            )
        return np.asarray(embedding, np.float32)


class MaskDecoder:
    """Makes masks of embeddings and prompts.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        As `open_pair` checks it.
    """

    def __init__(self, session: Any) -> None:  # Any: onnxruntime has no types
        self._session = session
        shapes = {one.name: one.shape for one in session.get_inputs()}
        self._mask = np.zeros([_number(n, 256) for n in shapes["mask_input"]], np.float32)
        self._mask = self._mask.reshape(1, 1, *self._mask.shape[-2:])

    def logits(self, embedding: Floats, frame: SquareFrame, prompt: Prompt) -> Floats:
        """Logits of the mask over the whole square, (h, w): positive inside.

        Of several masks the first is taken: that is the one of a decoder of SAM for a prompt of
        more than one point.

        Raises
        ------
        ShapeError
            If the prompt does not fit the frame; see `Prompt.points`.
        WeightsError
            If the network fails on it.
        """
        coordinates, labels = prompt.points(frame)
        given = {
            "image_embeddings": embedding,
            "point_coords": coordinates,
            "point_labels": labels,
            "mask_input": self._mask,
            "has_mask_input": np.zeros(1, np.float32),
            "orig_im_size": np.array([frame.height, frame.width], np.float32),
        }
        (masks,) = _run(self._session, [LOGITS], given, "decoder")
        if masks.ndim != 4 or masks.size == 0:
            raise WeightsError(
                f"expected {LOGITS} of shape (1, M, h, w) from the assistant's decoder, got "
                f"{masks.shape}. {_MORE}"
            )
        return np.asarray(masks[0, 0], np.float32)


def open_pair(settings: AssistConfig) -> MaskDecoder:
    """Check both files of an assistant, and open the decoder.

    Parameters
    ----------
    settings : AssistConfig
        With all of its paths and digests.

    Raises
    ------
    ConfigError
        If onnxruntime is not installed, a file cannot be read, has another digest, is no ONNX
        model of the form that is needed, or the two do not fit each other; all problems at once.
    """
    runtime = _runtime()
    problems: list[str] = []
    encoder = _session(runtime, "encoder", settings, problems, only_looks=True)
    decoder = _session(runtime, "decoder", settings, problems)
    if encoder is not None:
        problems += _encoder_problems(encoder)
    if decoder is not None:
        problems += _decoder_problems(decoder)
    if not problems and encoder is not None and decoder is not None:
        problems += _pair_problems(encoder, decoder)
    _refuse(problems)
    return MaskDecoder(decoder)


def open_encoder(settings: AssistConfig, threads: int | None) -> PictureEncoder:
    """Check the encoder and open it.

    Parameters
    ----------
    settings : AssistConfig
        As for `open_pair`.
    threads : int or None
        That it may take; None: one for each core.

    Raises
    ------
    ConfigError
        As `open_pair`, of the encoder alone.
    """
    problems: list[str] = []
    session = _session(_runtime(), "encoder", settings, problems, threads=threads or 0)
    if session is not None:
        problems += _encoder_problems(session)
    _refuse(problems)
    return PictureEncoder(session)


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        listed = "".join(f"\n  {problem}" for problem in problems)
        raise ConfigError(f"the box and click assistant cannot be used:{listed}\n  {_MORE}")


def _runtime() -> ModuleType:
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigError(
            f"expected the package of the box and click assistant, but: {error}. Install it: "
            "pip install 'askmask[assist]', or set assist.encoder, assist.decoder and their "
            "digests to null."
        ) from error
    runtime: ModuleType = onnxruntime
    runtime.disable_telemetry_events()  # on Windows it would report to its maker
    return runtime


def _session(
    runtime: ModuleType,
    part: str,
    settings: AssistConfig,
    problems: list[str],
    *,
    threads: int = 1,
    only_looks: bool = False,
) -> Any:  # Any: onnxruntime has no types
    """Session of a part of the pair; None if there is a problem, which is added to the others."""
    path, expected = getattr(settings, part), getattr(settings, f"{part}_sha256")
    content = _content(part, path, expected, problems)
    if content is None:
        return None
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if only_looks:
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        # The very bytes that were checked: a file may be replaced meanwhile.
        return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime has an exception for each of its own states
        problems.append(
            f"assist.{part}: expected an ONNX model whose weights lie in the one file, got "
            f"{str(path)!r}, of which the runtime says: {_first_line(error)}"
        )
        return None


def _content(part: str, path: Path, expected: str, problems: list[str]) -> bytes | None:
    try:
        content = path.read_bytes()
    except OSError as error:
        problems.append(f"assist.{part}: expected a file at {str(path)!r}, but: {error.strerror}.")
        return None
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        problems.append(
            f"assist.{part}_sha256: expected {expected} of {str(path)!r}, got {found}. Put the "
            "right file there, or if this one is meant, write its digest into askmask.yaml."
        )
        return None
    return content


def _encoder_problems(session: Any) -> list[str]:  # Any: onnxruntime has no types
    inputs, outputs = session.get_inputs(), session.get_outputs()
    square, picture = [None, 3, SIDE, SIDE], [None, None, 3]
    fits_input = len(inputs) == 1 and (
        _fits(inputs[0], square) or (_fits(inputs[0], picture) and len(inputs[0].shape) == 3)
    )
    fits_output = bool(outputs) and _fits(outputs[0], [1, None, None, None])
    if fits_input and fits_output:
        return []
    problem = (
        f"assist.encoder: expected one input of floats (1, 3, {SIDE}, {SIDE}) or (rows, columns, "
        f"3), and an output (1, C, h, w), got {_told(inputs)} and {_told(outputs)}."
    )
    return [problem]


def _decoder_problems(session: Any) -> list[str]:  # Any: onnxruntime has no types
    inputs, outputs = session.get_inputs(), session.get_outputs()
    names = {one.name for one in inputs}
    known = {one.name for one in outputs}
    is_float = all(one.type == _FLOAT for one in inputs)
    if names == set(_INPUTS) and LOGITS in known and is_float:
        return []
    problem = (
        f"assist.decoder: expected inputs of floats {', '.join(_INPUTS)}, and {LOGITS} among the "
        f"outputs, got {_told(inputs)} and {_told(outputs)}."
    )
    return [problem]


def _pair_problems(encoder: Any, decoder: Any) -> list[str]:  # Any: onnxruntime has no types
    """Whether the decoder takes what the encoder makes, tried on an embedding of zeros."""
    made = encoder.get_outputs()[0].shape
    (taken,) = (one.shape for one in decoder.get_inputs() if one.name == _INPUTS[0])
    agrees = len(made) == len(taken) and all(
        a == b
        for a, b in zip(made, taken, strict=True)
        if isinstance(a, int) and isinstance(b, int)
    )
    if not agrees:
        problem = (
            f"assist.decoder: expected embeddings of shape {made} as the encoder makes them, but "
            f"it takes {taken}. Take two files of one pair."
        )
        return [problem]
    shape = [_number(a, _number(b, 1)) for a, b in zip(made, taken, strict=True)]
    try:
        MaskDecoder(decoder).logits(
            np.zeros(shape, np.float32), SquareFrame(9, 12), Prompt(1.0, 1.0, 5.0, 5.0)
        )
    except WeightsError as error:
        return [f"assist.decoder: {error}"]
    return []


def _run(session: Any, names: list[str], given: dict[str, Floats], part: str) -> Any:  # as above
    try:
        return session.run(names, given)
    except Exception as error:  # as in _session
        raise WeightsError(
            f"expected the assistant's {part} to run, but the runtime says: {_first_line(error)}"
        ) from error


def _fits(value: Any, shape: Sequence[int | None]) -> bool:  # Any: onnxruntime has no types
    """Whether an input or output holds floats of a shape; what the file leaves open fits."""
    return (
        value.type == _FLOAT
        and len(value.shape) == len(shape)
        and all(
            wanted is None or not isinstance(found, int) or found == wanted
            for found, wanted in zip(value.shape, shape, strict=True)
        )
    )


def _number(found: object, otherwise: int) -> int:
    return found if isinstance(found, int) else otherwise


def _told(values: Sequence[Any]) -> str:
    told = (f"{one.name} {tuple(one.shape)} {one.type}" for one in values)
    return ", ".join(told) or "none"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
