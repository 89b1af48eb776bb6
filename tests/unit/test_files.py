"""Files that are written whole: through links, with their permissions, or elsewhere."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path

import pytest

import lrft
from lrft.base import files

pytestmark = pytest.mark.any_set


def write(path: Path, text: str) -> None:
    with files.whole(path) as temporary:
        temporary.write_text(text)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o777])
def test_a_file_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    file.chmod(mode)
    write(file, "new")
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("new", mode)


def test_a_private_file_is_private_while_it_is_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch(mode=0o600)
    with files.whole(file) as temporary:
        assert stat.S_IMODE(temporary.stat().st_mode) == 0o600


def test_a_new_file_has_the_permissions_of_the_process(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "file", "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="root only")
def test_a_file_keeps_its_owner(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    os.chown(file, 1234, 4321)
    write(file, "new")
    assert (file.stat().st_uid, file.stat().st_gid) == (1234, 4321)


@pytest.mark.parametrize("there", [True, False])
def test_links_are_followed(tmp_path: Path, there: bool) -> None:
    (tmp_path / "far").mkdir()
    target = tmp_path / "far" / "target"
    if there:
        target.write_text("old")
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("far/target")
    write(tmp_path / "one", "new")
    assert target.read_text() == "new"
    assert (tmp_path / "one").is_symlink()
    assert (tmp_path / "two").is_symlink()
    assert [each.name for each in (tmp_path / "far").iterdir()] == ["target"]


def test_other_names_of_a_file_see_what_is_written(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("old and longer")
    two.hardlink_to(one)
    write(one, "new")
    assert two.read_text() == "new"
    assert one.samefile(two)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "link to a pipe"])
def test_what_is_no_file_is_refused_and_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.nc"
    if kind == "device":
        path.symlink_to("/dev/null")
    elif kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(tmp_path / "pipe")
        path.symlink_to("pipe") if "link" in kind else (tmp_path / "pipe").rename(path)
    before = path.stat()
    with pytest.raises(ValueError, match=r"a\.nc' is (no regular file|a folder)"):
        write(path, "new")
    assert path.stat().st_ino == before.st_ino
    assert path.stat().st_mode == before.st_mode


def test_the_longest_name_there_is_can_be_written(tmp_path: Path) -> None:
    longest = tmp_path / ("x" * os.pathconf(tmp_path, "PC_NAME_MAX"))
    write(longest, "new")
    assert longest.read_text() == "new"


def test_a_failure_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write(file, "new \ud800")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("what", ["make", "replace"])
def test_a_file_that_cannot_be_replaced_is_written_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """In a folder that may not be changed; under a name on which something is mounted."""
    file = tmp_path / "file"
    file.write_text("old and longer")
    inode = file.stat().st_ino
    make, replace = files._make, os.replace

    def no_make(path: Path, mode: int) -> None:
        if path.parent == tmp_path:
            raise PermissionError(errno.EACCES, "Permission denied")
        make(path, mode)

    def no_replace(*_: object) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    with monkeypatch.context() as patch:
        if what == "make":
            patch.setattr(files, "_make", no_make)
        else:
            patch.setattr(os, "replace", no_replace)
        write(file, "new")
    assert os.replace is replace
    assert (file.read_text(), file.stat().st_ino) == ("new", inode)
    assert list(tmp_path.iterdir()) == [file]


def test_names_of_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "file"
    (tmp_path / "link").symlink_to("file")
    for there in (False, True):
        assert files.same("file", file)
        assert files.same("link", "./x/../file")
        assert not files.same("file", "other")
        if not there:
            file.touch()
    (tmp_path / "hard").hardlink_to(file)
    assert files.same("hard", "link")


# ---- elsewhere ----------------------------------------------------------------------------------


def saved(path: Path | str) -> tuple[Path, list[str]]:
    said: list[str] = []
    return files.somewhere(path, lambda place: write(place, "new"), said.append), said


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return work


def test_a_folder_that_has_gone_is_made_again(here: Path) -> None:
    assert saved("gone/deep/a.nc") == (Path("gone/deep/a.nc"), [])
    assert (here / "gone" / "deep" / "a.nc").read_text() == "new"


def test_a_folder_in_the_way_means_the_current_one(here: Path) -> None:
    (here / "in").touch()
    assert saved("in/a.nc") == (
        Path("a.nc"),
        ["cannot save in/a.nc: File exists; saved a.nc instead"],
    )


def test_nothing_is_overwritten_where_it_was_not_meant_to_be(here: Path) -> None:
    (here / "in").touch()
    (here / "a.nc").write_text("mine")
    path, said = saved("in/a.nc")
    assert (here / "a.nc").read_text() == "mine"
    assert path.read_text() == "new"
    assert path.match("a-*.nc")
    assert len(said) == 1


def test_a_current_folder_that_has_gone_means_a_temporary_one(here: Path) -> None:
    here.rmdir()
    path, said = saved("a.nc")
    assert path.read_text() == "new"
    assert path.parent.parent == here.parent
    assert said[0].endswith(f"saved {path} instead")


def test_nowhere_is_an_error_with_the_first_reason(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, f"no space for {path.name}")

    with pytest.raises(OSError, match=r"no space for a\.nc"):
        files.somewhere("a.nc", full, print)


@pytest.mark.parametrize("text", ["caf\udce9", "a\ud800b", "a\0b"])
def test_text_that_cannot_be_stored_loses_no_result(tmp_path: Path, text: str) -> None:
    task = lrft.Task.sample(d=50, k=2, seed=0)
    ds = lrft.simulate(task, lrft.Training(lr=0.001, steps=10, record=2), replicas=2)
    ds.attrs["command"] = ds.loss.attrs["note"] = text
    ds = ds.assign_coords(place=("replica", [text, "ξ"]))
    lrft.save(ds, tmp_path / "a.nc")
    found = lrft.load(tmp_path / "a.nc")
    stored = text[:-1].replace("\ud800", "?").replace("\0", "?") + (
        "?" if text.endswith("\udce9") else text[-1]
    )
    assert found.attrs["command"] == found.loss.attrs["note"] == stored
    assert found.place.values.tolist() == [stored, "ξ"]
    assert found.loss.values.tobytes() == ds.loss.values.tobytes()
    assert ds.attrs["command"] == text
