"""Every number of the config has bounds, and no clock keeps a region from people for long."""

import time
from pathlib import Path

import pytest

from askmask.config import load_config
from askmask.errors import ConfigError
from askmask.store.store import Store
from store_contract import IMAGES, QUERY


@pytest.mark.parametrize(
    "override",
    [
        "serve.lease_seconds=1e12",
        "serve.lease_seconds=.inf",
        "serve.idle_seconds=.nan",
        "training.learning_rate=.inf",
        "training.batch_size=1000000000",
        "training.steps=1e30",
        "sampling.samples=100000000",
        "grid.workers=1000000",
        "threads=1000000",
    ],
)
def test_impossible_number_is_refused_by_its_key(tmp_path: Path, override: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("data: {path: d}\n", encoding="utf-8")

    with pytest.raises(ConfigError, match=override.partition("=")[0]):
        load_config(path, [override])


def test_lease_given_by_a_clock_a_day_ahead_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = time.time()
    with Store(tmp_path / "askmask.db") as store:
        store.add_images(IMAGES)
        store.add_query(QUERY)
        monkeypatch.setattr(time, "time", lambda: today + 86_400)
        assert store.worklist.lease(1, 0, "Ada").holder == "Ada"
        monkeypatch.setattr(time, "time", lambda: today)

        assert store.worklist.item(1, 0).lease is None
        assert store.worklist.lease(1, 0, "Grace").holder == "Grace"
        assert store.worklist.people_at_work()
