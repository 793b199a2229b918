"""Jobs for our own executors: at the top level, so that other processes find them."""

import os
import signal
import time
from pathlib import Path


def kill_if_negative(number):
    if number < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def wait_for(path):
    """Return the path once it exists."""
    while not Path(path).exists():
        time.sleep(0.01)
    return path


def say_pid_and_wait(folder):
    """Leave a file named for this process, then wait for what never comes."""
    (Path(folder) / f"pid_{os.getpid()}").touch()
    wait_for(Path(folder) / "never")


def threads_of_torch(_item):
    import torch

    return torch.get_num_threads()


def process_id(_item):
    return os.getpid()
