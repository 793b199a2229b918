import zipfile
from pathlib import Path

import pytest

from askmask.data.prepare.stored_files import StoredFile, list_archive, list_folder
from askmask.errors import SourceError


def test_stem_and_suffix_of_a_path() -> None:
    def parts(name: str) -> tuple[str, str]:
        stored = StoredFile(name, bytes)
        return stored.stem, stored.suffix

    assert parts("a/b.c/tile.1.PNG") == ("a/b.c/tile.1", ".png")
    assert parts("a.b/README") == ("a.b/README", "")


def test_folder_is_listed_by_name_without_hidden_files(tmp_path: Path) -> None:
    for name in ("b/x.png", "a.png", ".hidden.png", ".cache/y.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
    files = list_folder(tmp_path)
    assert [file.name for file in files] == ["a.png", "b/x.png"]
    assert files[1].read() == b"b/x.png"


def test_file_that_vanishes_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (stored,) = list_folder(tmp_path)
    (tmp_path / "a.png").unlink()
    with pytest.raises(SourceError, match=r"cannot read '.*a\.png' \(No such file"):
        stored.read()


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no folder '.*nowhere'"):
        list_folder(tmp_path / "nowhere")


def test_archive_is_listed_without_hidden_files_and_folders(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name in ("top/b.png", "top/a.png", "__MACOSX/top/._a.png", "top/.DS_Store"):
            archive.writestr(name, name)
        archive.mkdir("top/empty")
    with zipfile.ZipFile(tmp_path / "set.zip") as archive:
        files = list_archive(archive)
        assert [file.name for file in files] == ["top/a.png", "top/b.png"]
        assert files[0].read() == b"top/a.png"


def test_damaged_member_of_an_archive_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", b"content")
    path.write_bytes(path.read_bytes().replace(b"content", b"cantent"))
    with zipfile.ZipFile(path) as archive:
        (stored,) = list_archive(archive)
        with pytest.raises(SourceError, match=r"cannot read 'a\.png' in .*download it again"):
            stored.read()


def test_member_that_states_a_giant_size_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", b"0" * 1000)
    with zipfile.ZipFile(path) as archive:
        archive.getinfo("a.png").file_size = 2**31
        (stored,) = list_archive(archive)
        with pytest.raises(SourceError, match="would be 2,147,483,648 bytes"):
            stored.read()


def test_first_bytes_say_whether_a_file_is_an_image(tmp_path: Path) -> None:
    (tmp_path / "a.unknown").write_bytes(b"\x89PNG\r\n\x1a\n rest")
    (tmp_path / "notes.txt").write_text("plain")
    found = {file.name: file.is_image for file in list_folder(tmp_path)}
    assert found == {"a.unknown": True, "notes.txt": False}
