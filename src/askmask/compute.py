"""Where the arithmetic runs: threads and device, set once by whoever owns the process."""

import torch

from askmask.config import Config
from askmask.errors import ConfigError


def configure(config: Config) -> torch.device:
    """Set the number of threads of this process and name its device.

    Parameters
    ----------
    config : Config
        `threads` (None keeps PyTorch's choice) and `device` (``"auto"`` takes a GPU if there is
        one).

    Raises
    ------
    ConfigError
        If the config asks for CUDA and there is none.
    """
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            "expected a CUDA device for device='cuda', found none. Set device: auto, or run "
            "`askmask doctor` to see what this machine can do."
        )
    if config.device != "cpu" and torch.cuda.is_available():
        torch.backends.cudnn.deterministic = True
        return torch.device("cuda")
    return torch.device("cpu")
