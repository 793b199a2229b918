import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from askmask.data.prepare import download as module
from askmask.errors import DownloadError
from file_server import Served, serving

CONTENT = np.random.default_rng(1).bytes(50_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()

download = partial(module.download, wait_seconds=0.0, timeout_seconds=5.0)


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(Served(CONTENT)) as served:
        yield served


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "new" / "file.zip"


def only(target: Path) -> bool:
    return [path.name for path in target.parent.iterdir()] == [target.name]


def ranges(served: Served) -> list[str | None]:
    return [request.get("Range") for request in served.requests]


def test_file_arrives_whole_and_alone(served: Served, target: Path) -> None:
    download(served.url, target, expected_bytes=50_000, sha256=SHA256.upper())
    assert target.read_bytes() == CONTENT
    assert only(target)


def test_progress_counts_bytes(
    served: Served, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CHUNK_BYTES", 20_000)
    seen: list[tuple[int, int]] = []
    download(served.url, target, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(20_000, 50_000), (40_000, 50_000), (50_000, 50_000)]


def test_broken_transfer_goes_on_where_it_stopped(served: Served, target: Path) -> None:
    served.breaks = [12_000, 30_000]
    download(served.url, target, sha256=SHA256)
    assert ranges(served) == [None, "bytes=12000-", "bytes=42000-"]
    assert only(target)


def test_later_call_goes_on_where_an_earlier_one_gave_up(served: Served, target: Path) -> None:
    served.breaks = [12_000]
    with pytest.raises(DownloadError, match=r"broke 1 times .12,000 of 50,000 bytes came.*again"):
        download(served.url, target, attempts=1)
    assert not target.exists()
    download(served.url, target, sha256=SHA256)
    assert ranges(served) == [None, "bytes=12000-"]


def test_server_without_ranges_sends_it_again_from_the_start(served: Served, target: Path) -> None:
    served.supports_ranges = False
    served.breaks = [12_000]
    download(served.url, target, sha256=SHA256)
    assert ranges(served) == [None, "bytes=12000-"]
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("version", [None, 'W/"weak"'])
def test_part_of_an_unmarked_version_is_not_continued(
    served: Served, target: Path, version: str | None
) -> None:
    served.version = version
    served.breaks = [12_000]
    download(served.url, target, sha256=SHA256)
    assert ranges(served) == [None, None]


def test_part_of_a_file_that_changed_is_thrown_away(served: Served, target: Path) -> None:
    served.breaks = [12_000]
    with pytest.raises(DownloadError):
        download(served.url, target, attempts=1)
    served.content, served.version = b"new" * 9_000, '"v2"'
    download(served.url, target)
    assert target.read_bytes() == b"new" * 9_000


def test_transfer_that_broke_after_the_last_byte_is_complete(served: Served, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("file.zip.part").write_bytes(CONTENT)
    target.with_name("file.zip.part.version").write_text('"v1"')
    download(served.url, target, sha256=SHA256)
    assert ranges(served) == ["bytes=50000-"]
    assert only(target)


def test_part_that_is_longer_than_the_file_is_thrown_away(served: Served, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("file.zip.part").write_bytes(CONTENT + b"more")
    target.with_name("file.zip.part.version").write_text('"v1"')
    download(served.url, target, sha256=SHA256)
    assert ranges(served) == ["bytes=50004-", None]


def test_server_that_sends_another_range_is_not_trusted(served: Served, target: Path) -> None:
    served.breaks = [12_000]
    served.content_range = "bytes 0-49999/50000"
    with pytest.raises(DownloadError, match=r"bytes from 12,000, but the server sent 'bytes 0-"):
        download(served.url, target)


def test_size_that_the_server_states_must_be_the_expected_one(served: Served, target: Path) -> None:
    with pytest.raises(DownloadError, match=r"expected 9 bytes at .*the server has 50,000"):
        download(served.url, target, expected_bytes=9)
    assert list(target.parent.iterdir()) == []


def test_size_is_verified_where_the_server_states_none(served: Served, target: Path) -> None:
    served.states_length = False
    served.breaks = [12_000]
    with pytest.raises(DownloadError, match=r"expected 50,000 bytes in .*got 12,000"):
        download(served.url, target, expected_bytes=50_000)
    assert list(target.parent.iterdir()) == []
    download(served.url, target, expected_bytes=50_000)
    assert target.read_bytes() == CONTENT


def test_wrong_checksum_leaves_nothing(served: Served, target: Path) -> None:
    with pytest.raises(DownloadError, match=f"expected the SHA-256 {'0' * 64} .*got {SHA256}"):
        download(served.url, target, sha256="0" * 64)
    assert list(target.parent.iterdir()) == []


def test_file_that_is_there_is_verified_and_kept(served: Served, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(CONTENT)
    download(served.url, target, sha256=SHA256)
    with pytest.raises(DownloadError, match=r"expected 3 bytes in .*Remove the file"):
        download(served.url, target, expected_bytes=3)
    assert served.requests == []


def test_missing_file_is_an_error_at_once(served: Served, target: Path) -> None:
    served.statuses = [404]
    with pytest.raises(DownloadError, match=r"HTTP 404 Not Found.*may have moved the file"):
        download(served.url, target)
    assert len(served.requests) == 1


def test_overloaded_server_is_asked_again(served: Served, target: Path) -> None:
    served.statuses = [503, 429]
    download(served.url, target, sha256=SHA256)
    assert len(served.requests) == 3


def test_server_that_stays_overloaded_is_given_up(served: Served, target: Path) -> None:
    served.statuses = [503] * 9
    with pytest.raises(DownloadError, match=r"broke 4 times \(HTTP 503"):
        download(served.url, target)
    assert len(served.requests) == 4


def test_server_that_is_away_is_given_up(target: Path) -> None:
    with serving(Served(CONTENT)) as gone:
        pass
    with pytest.raises(DownloadError, match=r"broke 4 times \(.*refused"):
        download(gone.url, target)


def test_pause_doubles(served: Served, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(module.time, "sleep", pauses.append)
    served.statuses = [503] * 3
    module.download(served.url, target, wait_seconds=2.0)
    assert pauses == [2.0, 4.0, 8.0]


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://host/x", "plain"])
def test_other_addresses_are_refused(url: str, target: Path) -> None:
    with pytest.raises(DownloadError, match="address with http or https, got"):
        download(url, target)
