"""Trains a round of a project and kills itself, as SIGKILL or a power cut does.

Arguments: the project, and the name before whose call the process dies: a method of the store, or a
function as ``loop.train`` or ``loop.in_use.taking_up`` knows it.
"""

import os
import signal
import sys
from pathlib import Path

from askmask.loop import train
from askmask.loop.in_use import taking_up
from askmask.loop.loop import Loop
from askmask.loop.project import Project
from askmask.store.store import Store


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    root, name = sys.argv[1:]
    owner = next(place for place in (Store, taking_up, train) if hasattr(place, name))
    setattr(owner, name, die)
    with Project.open(Path(root)) as project:
        Loop(project).train()
