"""What is shown, and by which ids it is asked for."""

import os
import re
import shutil
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmgame_leaderboards.web import addresses, folders
from lmgame_leaderboards.web.folders import RESERVED, Shelf, record_id
from lmgame_leaderboards.web.site import Site

from .builders import FakeStage, write_arena, write_record, write_run

ODD = [
    "with space",
    "ünï – 模型 🎲",
    ".hidden",
    "a..b",
    "n" * 240,
    "-dash",
    "%2e%2e",
    "a\tb\nc",
    "#?&<>\"'",
    "index",
]


def run_named(root: Path, name: str) -> Path:
    path = root / name
    path.mkdir(parents=True)
    (path / "run.json").write_text("{}")
    return path


@pytest.fixture(autouse=True)
def scan_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "SCAN_EVERY", 0.0)


def test_ids_are_stable_and_tell_places_apart(tmp_path: Path):
    places = [run_named(tmp_path / where, "same") for where in ("one", "two", "two/deeper")]
    shelf = Shelf([tmp_path])
    ids = {folder.id: folder.path for folder in shelf.folders()}
    assert len(ids) == 3 and set(ids.values()) == set(places)
    assert all(re.fullmatch(r"same-[0-9a-f]{6}", id_) for id_ in ids)
    again = Shelf([tmp_path / "two", tmp_path / "one", tmp_path])
    assert {folder.id for folder in again.folders()} == set(ids)
    for id_, path in ids.items():
        found = again.folder(id_)
        assert found is not None and found.path == path and not found.arena


def test_a_place_has_one_id_by_whatever_way_it_is_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run_named(tmp_path / "runs", "one")
    (tmp_path / "link").symlink_to(tmp_path / "runs", target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    ids = [[folder.id for folder in Shelf([root]).folders()] for root in (Path("runs"), tmp_path / "link", Path())]
    assert ids[0] == ids[1] == ids[2] and len(ids[0]) == 1
    assert len(Shelf([Path("runs"), tmp_path / "link"]).folders()) == 1


@pytest.mark.parametrize("name", ODD, ids=ascii)
def test_odd_names_of_folders_make_plain_ids(name: str, tmp_path: Path):
    run_named(tmp_path, name)
    (folder,) = Shelf([tmp_path]).folders()
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", folder.id) and ".." not in folder.id and len(folder.id) < 140
    assert quote(folder.id) == folder.id


@pytest.mark.parametrize("name", [*ODD, ".."], ids=ascii)
def test_odd_names_of_records_make_plain_ids_that_lead_to_them(name: str, tmp_path: Path):
    run = run_named(tmp_path, "run")
    path = write_record(run / "episodes" / f"{name}.jsonl", 1)
    shelf = Shelf([tmp_path])
    (folder,) = shelf.folders()
    id_ = record_id(path)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", id_) and not RESERVED.fullmatch(id_)
    assert shelf.record(folder.id, id_) == (folder, path)
    assert shelf.place(str(path)) == (folder, id_)


def test_bytes_that_are_no_text_do_no_harm(tmp_path: Path):
    run = run_named(tmp_path, os.fsdecode(b"\xff\xferun"))
    write_record(run / "episodes" / os.fsdecode(b"\xff.jsonl"), 1)
    (folder,) = Shelf([tmp_path]).folders()
    assert folder.id.isascii() and all(id_.isascii() for id_ in folder.records())


def test_no_record_has_the_address_of_a_page_of_its_folder(tmp_path: Path):
    run = run_named(tmp_path, "run")
    for name in ("index", "index-2", "data", "events"):
        write_record(run / "episodes" / f"{name}.jsonl", 1)
    shelf = Shelf([tmp_path])
    (folder,) = shelf.folders()
    assert len(folder.records()) == 4
    pages = {addresses.folder(folder.id, page) for page in (1, 2, 3)}
    assert not pages & {addresses.record(folder.id, id_) for id_ in folder.records()}


def test_records_are_sorted_as_people_count(tmp_path: Path):
    run = write_run(tmp_path / "run", [1] * 12)
    names = [path.stem for path in Shelf([run]).folders()[0].records().values()]
    assert names == [f"tetris-standard-{seed}" for seed in range(12)]


def test_arenas_and_runs_hold_records_in_their_own_places(tmp_path: Path):
    write_run(tmp_path / "run", [1])
    write_arena(tmp_path / "arena", seeds=1)
    found = {folder.path.name: folder for folder in Shelf([tmp_path]).folders()}
    assert found["arena"].arena and len(found["arena"].records()) == 2
    assert not found["run"].arena and len(found["run"].records()) == 1


def test_what_is_deleted_is_shown_no_more_and_what_is_new_is(tmp_path: Path):
    run = write_run(tmp_path / "run", [1])
    shelf = Shelf([tmp_path])
    (folder,) = shelf.folders()
    record = next(iter(folder.records()))
    shutil.rmtree(run)
    assert shelf.folders() == [] and shelf.folder(folder.id) is None and shelf.record(folder.id, record) is None
    assert shelf.place(str(run / "episodes" / "x.jsonl")) is None
    write_run(tmp_path / "run", [1])
    assert [again.id for again in shelf.folders()] == [folder.id]


def test_the_newest_comes_first(tmp_path: Path):
    for at, name in enumerate("abc"):
        run = run_named(tmp_path, name)
        (run / "episodes").mkdir()
        for place in (run, run / "episodes"):
            os.utime(place, (1000 + at, 1000 + at))
    os.utime(tmp_path / "a" / "episodes", (5000, 5000))
    assert [folder.path.name for folder in Shelf([tmp_path]).folders()] == ["a", "c", "b"]


def test_folders_that_the_store_names(tmp_path: Path):
    run = write_run(tmp_path / "elsewhere" / "run", [1, 2])
    secret = tmp_path / "secret"
    (secret / "episodes").mkdir(parents=True)
    (secret / "episodes" / "key.jsonl").write_text("{}")
    named = run / "episodes" / "tetris-standard-1.jsonl"
    shelf = Shelf([])
    assert shelf.folders() == []
    for source in (
        "",
        "/",
        "relative",
        "/etc/passwd",
        "/somewhere/run",
        str(secret / "episodes" / "key.jsonl"),  # no run.json beside it
        str(run / "run.json"),
        str(run / "episodes"),
        str(run / "elsewhere" / "tetris-standard-1.jsonl"),
        "/\x00/episodes/x.jsonl",
        f"/{'n' * 5000}/episodes/x.jsonl",
        "\udcff/episodes/x.jsonl",
    ):
        assert shelf.place(source) is None, source
    assert shelf.folders() == []
    shelf.take([str(named), "/etc/passwd"])
    (folder,) = shelf.folders()
    assert shelf.place(str(named)) == (folder, "tetris-standard-1")
    # That such a record was there once doesn't make it one that can be asked for.
    gone = shelf.place(str(run / "episodes" / "gone.jsonl"))
    assert gone == (folder, "gone") and shelf.record(*(folder.id, "gone")) is None


hostile = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from(
            [
                "..",
                "/",
                "\\",
                "%2e",
                "%2f",
                "%00",
                "\x00",
                ".",
                "~",
                "run",
                "episodes",
                "secret",
                ".jsonl",
                "*",
                "?",
                "[",
            ]
        ),
        max_size=12,
    ).map("".join),
    st.sampled_from(["../secret/episodes/key", "..%2f..%2fsecret", "/etc/passwd", "C:\\x", "n" * 300, "*", "**", ""]),
)


@settings(max_examples=150, deadline=None)
@given(folder=hostile, record=hostile)
def test_what_is_asked_for_never_becomes_a_path(folder: str, record: str, tmp_path_factory: pytest.TempPathFactory):
    root = tmp_path_factory.getbasetemp() / "hostile"
    if not root.exists():
        write_run(root / "shown" / "run", [1, 1])
        write_run(root / "secret", [1])
        (root / "secret" / "episodes" / "key.jsonl").write_text("{}")
    shelf = Shelf([root / "shown"])
    (shown,) = shelf.folders()
    touched: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for name in ("open", "read_bytes", "read_text", "stat", "glob", "is_file", "is_dir"):
            real = getattr(Path, name)

            def spy(self: Path, *args: object, real=real, **kwargs: object):  # type: ignore[no-untyped-def]
                touched.append(str(self))
                return real(self, *args, **kwargs)

            patch.setattr(Path, name, spy)
        for id_ in (folder, unquote(folder), shown.id):
            for name in (record, unquote(record)):
                found = shelf.record(id_, name)
                known = shown.records()
                assert found == ((shown, known[name]) if id_ == shown.id and name in known else None)
    assert touched, "a look at the disk goes unseen"
    assert all(path.startswith(str(root / "shown")) for path in touched)


def test_a_site_passes_on_ids_as_they_are(tmp_path: Path, stage: FakeStage):
    run = write_run(tmp_path / "runs" / "run", [1])
    write_record(tmp_path / "runs" / "outside.jsonl", 1)
    site = Site(Shelf([run]), stage, lambda clock: None, live=False)
    (folder,) = site.shelf.folders()
    try:
        assert site.get(f"runs/{folder.id}/tetris-standard-0.html").status == 200
        for record in ("../outside", "..", "../../outside", "%2e%2e/outside", "*", "tetris-standard-0\x00", "."):
            for file in (f"{record}.html", f"{record}/data.js", f"{record}/part-0.js", f"{record}/words-0.txt"):
                with pytest.raises(Exception, match="There is no such"):
                    site.get(f"runs/{folder.id}/{file}")
    finally:
        site.close()
