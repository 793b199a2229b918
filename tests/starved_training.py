"""Trains a project, or works on it as the page's worker does, in an address space with a limit.

Arguments: "train" or "work", the project, and how many MiB may be taken beyond what is in use when
the work begins.
"""

import re
import resource
import sys
from pathlib import Path

import torch

from askmask.cli.main import main
from askmask.loop.project import Project
from askmask.serve.worker import Worker


def starve(mebibytes: int) -> None:
    """Let the address space grow by so much and no more."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    found = re.search(r"VmSize:\s+(\d+) kB", status)
    assert found is not None
    limit = int(found.group(1)) * 1024 + mebibytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    verb, root, mebibytes = sys.argv[1:]
    torch.set_num_threads(1)
    if verb == "train":
        starve(int(mebibytes))
        sys.argv = ["askmask", "train", root]
        main()
    with Project.open(Path(root)) as project:
        worker = Worker(project)
        starve(int(mebibytes))
        for _ in range(3):  # too little memory ends the first turns; it is not tried at once again
            while worker.turn():  # asking goes on meanwhile
                pass
