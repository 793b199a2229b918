"""How long a box or a click waits for its proposal, through the server.

    python benchmarks/box_assistant.py [--prompts 60] [--side 1024] [--regions 150 512]
        [--pair encoder.onnx decoder.onnx]

Takes a pair of the SAM family, or else writes a decoder of the form and size of Segment Anything's
with random weights (`sam_decoder.py`). Draws one image, prepares its picture as the worker does and
says how long that took, and asks `askmask serve` over HTTP for masks of boxes with 0, 1, 2, 3
clicks in turn. A request reads the pixels and the embedding, decodes, interpolates the mask in the
region, and encodes it.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from askmask.config import parse_config
from askmask.data.drawn.demo import DEMO_CLASSES, draw_tissue
from askmask.data.prepared import DatasetWriter
from askmask.loop.project import Project
from askmask.records import ImageInfo, Query, QueryItem, Region, Unit
from askmask.serve.embedder import Embedder
from boxes import named
from sam_decoder import write_pair

# the server and the client of the tests, who behave as the page does
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from people import Client
from server_processes import serving


def make_project(folder: Path, side: int, regions: list[int], pair: dict[str, object]) -> Path:
    """Project with one image and a region of each size, all of whose pictures are prepared."""
    with DatasetWriter(folder / "data", DEMO_CLASSES, "drawn tissue") as writer:
        info = ImageInfo("tissue", side, side, has_mask=False)
        writer.add(info, draw_tissue(0, side, side, grade="benign")[0], None)
    tree = {
        "data": {"path": str(folder / "data"), "start": "none", "validation": 0},
        "assist": pair,
        "device": "cpu",
    }
    with Project.create(folder / "project", parse_config(tree)) as project:
        first = side // 3
        places = [Region("tissue", first, first, size, size) for size in regions]
        items = [QueryItem(n, place, 1.0, place.pixels) for n, place in enumerate(places)]
        project.store.add_query(Query(1, "random", Unit.REGION, tuple(items), None, 1.0))
        embedder = Embedder(project)
        began = time.perf_counter()
        while embedder.look_ahead():
            pass
        print(f"picture prepared in {time.perf_counter() - began:.2f} s, reading the encoder, too")
    return folder / "project"


def ask(client: Client, rank: int, size: int, clicks: int) -> float:
    """Milliseconds from a prompt to its mask."""
    random = np.random.default_rng([rank, clicks])
    top, left = random.uniform(0, size / 2, 2)
    body = {
        "box": {"top": top, "left": left, "bottom": top + size / 3, "right": left + size / 3},
        "clicks": [
            {"row": top + size / 8 * n, "col": left + size / 6, "inside": n % 2 == 0}
            for n in range(clicks)
        ],
    }
    began = time.perf_counter()
    status, reply = client.ask("POST", f"/items/1/{rank}/proposal", body)
    seconds = time.perf_counter() - began
    assert (status, reply["message"]) == (200, ""), (status, reply)
    return 1000 * seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, default=60)
    parser.add_argument("--side", type=int, default=1024, help="Of the image.")
    parser.add_argument("--pair", type=Path, nargs=2, metavar=("ENCODER", "DECODER"))
    parser.add_argument("--regions", type=int, nargs="+", default=[150, 512], help="Their sides.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="askmask-bench-") as folder:
        pair = named(*options.pair) if options.pair else write_pair(Path(folder) / "pair")
        root = make_project(Path(folder), options.side, options.regions, pair)
        size = Path(str(pair["decoder"])).stat().st_size
        print(f"decoder of {size / 1e6:.1f} MB, image of {options.side} x {options.side}")
        with serving(root, with_worker=False) as server:
            client = Client("Ada", server.port)
            for rank, side in enumerate(options.regions):
                first = ask(client, rank, side, 0)
                times = sorted(ask(client, rank, side, n % 4) for n in range(options.prompts))
                middle, late = statistics.median(times), times[int(0.95 * (len(times) - 1))]
                print(
                    f"region {side} x {side}: first {first:.0f} ms, then median {middle:.0f} ms, "
                    f"p95 {late:.0f} ms, longest {times[-1]:.0f} ms"
                )


if __name__ == "__main__":
    main()
