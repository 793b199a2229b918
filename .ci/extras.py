"""Do once with an installed askmask what each of its extras is for; `.ci/wheel` runs this.

``python extras.py NAME``; for the extra ``web``, also the port and the process that serves a page.
"""

import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import tifffile

PATIENCE_SECONDS = 180.0


def pretrained() -> None:
    """Fill the default network's encoder with its weights."""
    from askmask.models.efficientnet_lite import EfficientNetLite
    from askmask.models.imagenet import fill_imagenet

    encoder = EfficientNetLite()
    before = encoder.stem.weight.detach().clone()
    fill_imagenet(encoder)
    assert not before.equal(encoder.stem.weight)


def codecs() -> None:
    """Read a picture that only imagecodecs can decompress."""
    from askmask.data.pictures.opening import open_picture

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "zstd.tif"
        pixels = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
        tifffile.imwrite(path, pixels, compression="zstd")
        picture = open_picture(path.read_bytes(), path.name)
    np.testing.assert_array_equal(np.squeeze(picture.values), pixels)


def slides() -> None:
    """Read a box of a pyramid by the library of OpenSlide, and by tifffile with JPEG tiles."""
    from askmask.data.slides.openslide_file import OpenSlideImage
    from askmask.data.slides.tiled_image import Box

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pyramid.tif"
        pixels = np.full((512, 512, 3), (200, 100, 150), np.uint8)
        with tifffile.TiffWriter(path) as writer:
            for level in (pixels, pixels[::2, ::2]):
                writer.write(
                    level,
                    tile=(128, 128),
                    compression="jpeg",
                    photometric="rgb",
                    subfiletype=int(level is not pixels),
                )
        slide = OpenSlideImage(path)
        read = slide.read(0, Box(100, 120, 60, 80))
        slide.close()
    assert read.shape == (60, 80, 3)
    assert np.abs(read.astype(int) - pixels[0, 0]).max() <= 3


def cluster() -> None:
    """Let a worker of a local cluster do two jobs."""
    from askmask.runtime.cluster.connection import connect
    from askmask.runtime.cluster.executor import Dask

    with connect("local:1") as connection:
        outcomes = list(Dask(connection, threads=1).map(abs, [-2, 3]))
    assert sorted(outcome.value for outcome in outcomes) == [2, 3], outcomes


def testing() -> None:
    """Let a contract judge a source, as authors of parts do."""
    import pytest

    with tempfile.TemporaryDirectory() as folder:
        test = Path(folder) / "test_source.py"
        test.write_text(OWN_SOURCE, encoding="utf-8")
        code = pytest.main(["-q", "-p", "no:cacheprovider", str(test)])
    assert code == 0, code


OWN_SOURCE = """
import pytest
from askmask.testing import SourceContract
from askmask.testing.oracles import drawn_source

class TestDrawn(SourceContract):
    @pytest.fixture
    def source(self):
        return drawn_source()
"""


def web(port: str, process: str) -> None:
    """Wait until a page answers, then for the first model of the example that it serves."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (health := said(f"http://127.0.0.1:{port}/api/v1/health")):
        assert is_alive(process), "the server ended"
        assert time.monotonic() < deadline, "the page does not answer"
        time.sleep(0.2)
    assert '"ok"' in health
    assert "<title>" in said(f"http://127.0.0.1:{port}/")
    while not list(Path("example/models").glob("*.safetensors")):
        assert time.monotonic() < deadline, "the example has no model"
        time.sleep(0.2)


def is_alive(process: str) -> bool:
    """Whether a process runs; one that has ended is a zombie until its parent asks for it."""
    status = Path(f"/proc/{process}/status")
    return status.exists() and "State:\tZ" not in status.read_text(encoding="utf-8")


def said(url: str) -> str:
    """What an address of this machine answers; nothing if nobody is there yet."""
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:  # noqa: S310
            return reply.read().decode()
    except urllib.error.URLError:
        return ""


EXTRAS = {
    "pretrained": pretrained,
    "codecs": codecs,
    "slides": slides,
    "cluster": cluster,
    "testing": testing,
    "web": web,
}

if __name__ == "__main__":
    name, *rest = sys.argv[1:]
    EXTRAS[name](*rest)
    from askmask.runtime.doctor import extras

    assert extras()[name] == "installed", extras()
