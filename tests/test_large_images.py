"""Images too large to be read in one piece are refused in one sentence, with the way out."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from askmask.cli.main import main
from picture_files import huge_png


@pytest.fixture(params=[(9_000, 10_000), (20_000, 20_000)], ids=["90 Mpx", "400 Mpx"])
def images(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Folder with a small image and a huge one."""
    folder = tmp_path / "images"
    folder.mkdir()
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(folder / "small.png")
    (folder / "slide.png").write_bytes(huge_png(*request.param))
    return folder


@pytest.mark.parametrize(
    "words",
    [
        ["prepare", "folder", "--allow-missing-masks", "--images", "{images}", "{out}"],
        ["init", "{out}", "--classes", "background,gland", "--images", "{images}"],
    ],
    ids=["prepare", "init"],
)
def test_huge_image_is_one_clear_error_and_nothing_is_written(
    images: Path,
    tmp_path: Path,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    typed = [word.format(images=images, out=out) for word in words]
    monkeypatch.setattr(sys, "argv", ["askmask", *typed])

    with pytest.raises(SystemExit) as ended:
        main()

    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert told.count("slide.png") == 1
    assert "more than 89,478,485 pixels" in told
    assert "Cut it into tiles of some 1000 x 1000" in told
    assert "small.png" not in told
    assert not out.exists() or list(out.iterdir()) == []
