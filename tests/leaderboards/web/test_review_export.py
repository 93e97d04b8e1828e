"""Where an export is written, and what becomes of the one before."""

from collections.abc import Iterator
from math import inf
from pathlib import Path

import pytest

from lmgame_common import UsageError
from lmgame_leaderboards.web.export import MARK, export_site
from lmgame_leaderboards.web.folders import Shelf
from lmgame_leaderboards.web.ledger import Ledger, ledger_document
from lmgame_leaderboards.web.site import Site

from .builders import FakeStage, write_run


@pytest.fixture
def site(tmp_path: Path, stage: FakeStage) -> Iterator[Site]:
    write_run(tmp_path / "runs" / "run")
    site = Site(
        Shelf([tmp_path / "runs"]), stage, lambda clock: Ledger.of(ledger_document([], clock=clock)), live=False
    )
    yield site
    site.close()


def test_without_a_cap(site: Site, tmp_path: Path):
    assert export_site(site, tmp_path / "out", megabytes=inf).framed == 2


def test_into_the_folder_where_one_is(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    export_site(site, Path(), megabytes=1)
    assert (here / "index.html").is_file()


def test_through_a_link(site: Site, tmp_path: Path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    for _ in range(2):
        export_site(site, tmp_path / "link", megabytes=1)
        assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "index.html").is_file()


def test_an_earlier_export_stays_until_there_is_another(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = tmp_path / "out"
    export_site(site, out, megabytes=1)
    (out / "of the first one").touch()

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_site(site, out, megabytes=1, note=stopped)
    assert (out / "of the first one").exists() and (out / "index.html").exists()
    rename = Path.rename

    def full(self: Path, target: Path) -> Path:
        if self.name == "out.draft":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OSError, match="No space"):
        export_site(site, out, megabytes=1)
    assert (out / "of the first one").exists()
    monkeypatch.undo()
    export_site(site, out, megabytes=1)
    assert not (out / "of the first one").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "runs"]


def test_folders_beside_it_are_left_alone(site: Site, tmp_path: Path):
    out = tmp_path / "out"
    for name in ("out.draft", "out.before"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine").touch()
        with pytest.raises(UsageError, match="something else"):
            export_site(site, out, megabytes=1)
        assert (tmp_path / name / "mine").exists() and not out.exists()
        (tmp_path / name / MARK).touch()
    export_site(site, out, megabytes=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "runs"]
