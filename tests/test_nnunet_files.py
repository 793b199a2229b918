"""nnU-Net's data sets: labels mean what their dataset.json says, or the file is refused."""

import json
from pathlib import Path

import pytest

from askmask.errors import ExchangeError
from askmask.formats.format import Item
from askmask.formats.nnunet import NnUNet
from askmask.testing.exchange import ASKED, batch, drawn, expected

NAME, REGION = next(iter(ASKED.items()))


def test_nifti_of_nnunet_is_named(tmp_path: Path) -> None:
    (tmp_path / "labelsTr").mkdir()
    (tmp_path / "labelsTr" / f"{NAME}.nii.gz").touch()
    with pytest.raises(ExchangeError, match="NIfTI files .*, which askmask does not read"):
        NnUNet().read(tmp_path, expected())


def test_labels_of_another_data_set_of_nnunet_are_refused(tmp_path: Path) -> None:
    NnUNet().write(tmp_path, batch([Item(NAME, REGION, drawn())]))
    (facts,) = tmp_path.glob("*/dataset.json")
    content = json.loads(facts.read_text(encoding="utf-8"))
    content["labels"] = {"ignore": 3, "a & b": 2, "gland": 1, "background": 0}
    facts.write_text(json.dumps(content), encoding="utf-8")
    assert NnUNet().read(tmp_path, expected()).found  # the same labels in another order
    content["labels"] = {"background": 0, "a & b": 1, "gland": 2, "ignore": 3}
    facts.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ExchangeError, match="expected the labels .*'gland': 1.* got .*'a & b': 1"):
        NnUNet().read(tmp_path, expected())
