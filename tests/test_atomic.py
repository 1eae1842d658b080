import threading

import pytest

from nrc_core.files import atomic_folder


def test_a_folder_appears_whole(tmp_path):
    with atomic_folder(tmp_path / "new" / "final") as partial:
        (partial / "a").write_text("1")
        assert not (tmp_path / "new" / "final").exists()
    assert (tmp_path / "new" / "final" / "a").read_text() == "1"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["final"]


def test_an_error_leaves_the_old_one(tmp_path):
    with atomic_folder(tmp_path / "final") as partial:
        (partial / "a").write_text("old")
    with pytest.raises(RuntimeError, match="on purpose"), atomic_folder(tmp_path / "final") as partial:
        (partial / "a").write_text("new")
        raise RuntimeError("on purpose")
    assert (tmp_path / "final" / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["final"]


def test_many_writers_leave_one_whole_folder(tmp_path):
    def write(number: int) -> None:
        for _ in range(20):
            with atomic_folder(tmp_path / "final") as partial:
                for name in ("a", "b"):
                    (partial / name).write_text(str(number))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "final" / "a").read_text() == (tmp_path / "final" / "b").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["final"]
