"""Runs the campaign: ``python -m soak``, with the folder of the tests on the path (`make soak`)."""

import argparse
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from killed_commands import every, some
from soak.commands import kill_commands, starve_commands
from soak.files import attack_with_files
from soak.floods import LONGEST_SECONDS, flood
from soak.hardship import endure
from soak.kills import kill_at_random
from soak.requests import attack_with_requests
from soak.site import make_site
from soak.texts import read_stored_texts

Part = Callable[[Path, argparse.Namespace], object]


def _kill_servers(folder: Path, sizes: argparse.Namespace) -> object:
    root = make_site(folder, images=8, side=128)
    return kill_at_random(root, sizes.kills, seed=sizes.seed, longest=2.0)


PARTS: dict[str, Part] = {
    "requests": lambda folder, sizes: attack_with_requests(folder, sizes.requests, seed=sizes.seed),
    "requests-worker": lambda folder, sizes: attack_with_requests(
        folder, sizes.requests // 2, seed=sizes.seed + 1, with_worker=True
    ),
    "floods": lambda folder, sizes: flood(
        folder, sizes.connections, longest_seconds=sizes.longest_seconds
    ),
    "kills": _kill_servers,
    "commands": lambda folder, sizes: kill_commands(
        folder, every if sizes.steps == 0 else some(sizes.steps)
    ),
    "starved": lambda folder, _: starve_commands(folder),
    "hardship": lambda folder, _: endure(folder),
    "texts": lambda folder, _: read_stored_texts(folder),
    "files": lambda folder, sizes: attack_with_files(folder, sizes.files, seed=sizes.seed),
}


def main() -> int:
    """Run the parts that were asked for; return how many failed."""
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--requests", type=int, default=100_000, help="half as many with a worker")
    parser.add_argument("--connections", type=int, default=1500, help="at once, in each flood")
    parser.add_argument(
        "--longest-seconds", type=float, default=LONGEST_SECONDS, help="for others, in a flood"
    )
    parser.add_argument("--kills", type=int, default=200, help="of server and worker")
    parser.add_argument("--steps", type=int, default=0, help="of each command; 0: every one")
    parser.add_argument("--files", type=int, default=1000, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write the figures there, as JSON")
    sizes = parser.parse_args()
    unknown = [name for name in sizes.parts if name not in PARTS]
    if unknown:
        parser.error(f"no part {unknown[0]!r}; choose from {', '.join(PARTS)}")
    found: dict[str, object] = {}
    failed = 0
    for name in sizes.parts or PARTS:
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=f"soak-{name}-") as folder:
            try:
                figures = PARTS[name](Path(folder), sizes)
            except Exception:
                failed += 1
                figures = {"failed": traceback.format_exc()[-6000:]}
        found[name] = {"seconds": round(time.monotonic() - started), "figures": figures}
        print(f"{name}: {json.dumps(found[name], indent=1)}", flush=True)  # noqa: T201
        if sizes.out is not None:
            sizes.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return failed


if __name__ == "__main__":
    sys.exit(main())
