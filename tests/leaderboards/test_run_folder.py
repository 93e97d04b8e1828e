"""A run's folder belongs to one run and one process at a time."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lmgame_common import RecordError
from lmgame_leaderboards import EpisodeWriter, RunFolder, Versions, fresh_folder, read_run, run_path

from .conftest import make_decision, make_header, make_run

HOLDER = """
import sys, time
from pathlib import Path
from lmgame_leaderboards import RunFolder, RunRecord
folder = RunFolder.open(Path(sys.argv[1]), RunRecord.model_validate_json(sys.argv[2]))
print("held", flush=True)
time.sleep(60)
"""


def test_a_run_is_begun_closed_and_continued(tmp_path: Path) -> None:
    path, record = tmp_path / "runs" / "a", make_run()
    with RunFolder.open(path, record) as folder:
        assert not folder.continued
        assert read_run(path) == record
    later = make_run(command="lmgame play --later")
    with RunFolder.open(path, later) as folder:
        assert folder.continued
        assert folder.record == record
    assert sorted(entry.name for entry in path.iterdir()) == [".lock", "run.json"]


def test_states_follow_the_records(tmp_path: Path) -> None:
    with RunFolder.open(tmp_path / "run", make_run()) as folder:
        first, second, third = folder.record.episodes()
        assert folder.states() == {first: "missing", second: "missing", third: "missing"}
        for seed, episode in enumerate((first, second, third)):
            with EpisodeWriter.open(folder.episode_path(episode), make_header(seed)) as writer:
                writer.decision(**make_decision(0, raw="x" * 20_000))
                assert folder.state(episode) == "cut off"
                assert not folder.finished
                writer.outcome(outcome="over", score=0.0, decisions=1)
                assert folder.state(episode) == "done"
        assert folder.finished


def test_an_empty_record_is_cut_off(tmp_path: Path) -> None:
    with RunFolder.open(tmp_path / "run", make_run()) as folder:
        path = folder.episode_path("tetris-standard-0")
        path.parent.mkdir()
        path.touch()
        assert folder.state("tetris-standard-0") == "cut off"


@pytest.mark.parametrize("episode", ["", "../run", "a/b", "a\\b", "c:d", "a\0"])
def test_an_episode_stays_in_its_folder(tmp_path: Path, episode: str) -> None:
    with RunFolder.open(tmp_path / "run", make_run()) as folder, pytest.raises(RecordError, match="can't name"):
        folder.episode_path(episode)


def test_fresh_folders_are_new(tmp_path: Path) -> None:
    path = run_path("abc", tmp_path)
    for name in ("abc", "abc-2", "abc-3"):
        assert fresh_folder(path) == tmp_path / name
        fresh_folder(path).mkdir()
    (tmp_path / "abc-4").symlink_to("nowhere")
    assert fresh_folder(path) == tmp_path / "abc-5"


def test_a_held_folder_is_refused_within_one_process(tmp_path: Path) -> None:
    with RunFolder.open(tmp_path, make_run()), pytest.raises(RecordError, match=f"in use by process {os.getpid()} on"):
        RunFolder.open(tmp_path, make_run())
    RunFolder.open(tmp_path, make_run()).close()


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_live_process_keeps_its_folder_and_a_killed_one_loses_it(tmp_path: Path) -> None:
    record = make_run()
    command = [sys.executable, "-c", HOLDER, str(tmp_path), record.model_dump_json()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(RecordError, match=f"in use by process {child.pid} on .* another --out"):
            RunFolder.open(tmp_path, record)
        child.send_signal(signal.SIGKILL)
        child.wait(10)
    assert (tmp_path / ".owner").exists()
    with RunFolder.open(tmp_path, record) as folder:
        assert folder.continued


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(RecordError, match="is a file; --out needs a folder"):
        RunFolder.open(file, make_run())
    with pytest.raises(RecordError, match=r"Can't write .*Not a directory"):
        RunFolder.open(file / "below", make_run())
    assert file.read_text() == "mine"


def test_other_peoples_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(RecordError, match=r"holds 'thesis.tex' and is no run folder"):
        RunFolder.open(tmp_path, make_run())
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


READ_ONLY = """
import os, sys
from pathlib import Path
from lmgame_common import RecordError
from lmgame_leaderboards import EpisodeWriter, RunFolder, RunRecord
path = Path(sys.argv[1])
header = dict(episode="a", game="g", preset="p", version=1, seed=0, model="m")
record = RunRecord.model_validate_json(sys.argv[2])
RunFolder.open(path, record).close()
EpisodeWriter.open(path / "b.jsonl", header).close()
path.chmod(0o555)
if os.geteuid() == 0:
    os.seteuid(65534)
for action in (
    lambda: RunFolder.open(path, record),
    lambda: RunFolder.open(path / "below", record),
    lambda: EpisodeWriter.open(path / "a.jsonl", header),
    lambda: EpisodeWriter.open(path / "below" / "a.jsonl", header),
):
    try:
        action()
    except RecordError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX permissions")
def test_a_folder_that_may_not_be_written_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run"
    command = [sys.executable, "-c", READ_ONLY, str(path), make_run().model_dump_json()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    messages = done.stdout.splitlines()
    assert len(messages) == 4, done.stdout
    assert all("Can't write" in message and "Permission denied" in message for message in messages)


def test_a_full_disk_leaves_no_half_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(RecordError, match="disk is full"):
            RunFolder.open(tmp_path, make_run())
    assert not (tmp_path / "run.json").exists()
    with RunFolder.open(tmp_path, make_run()) as folder:
        assert not folder.continued


def test_what_a_process_killed_while_beginning_left_is_no_obstacle(tmp_path: Path) -> None:
    for name in (".lock", ".owner", "run.json.draft"):
        (tmp_path / name).write_text("half")
    with RunFolder.open(tmp_path, make_run()) as folder:
        assert not folder.continued
        assert read_run(tmp_path) == folder.record


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"seeds": [0, 1]}, r"another run, which differs in seeds \(\[0, 1, 2\] there, \[0, 1\] asked for\)"),
        ({"model": "other"}, r"model \(\"stub\" there, \"other\" asked for\)"),
        ({"clock": "realtime", "history": 4}, r"history .*, clock "),
        ({"new_option": "x" * 100}, r"new_option \(null there, \"x{56}… asked for\)"),
    ],
)
def test_another_run_is_refused_with_the_difference(tmp_path: Path, request_: dict[str, Any], message: str) -> None:
    RunFolder.open(tmp_path, make_run()).close()
    before = (tmp_path / "run.json").read_bytes()
    with pytest.raises(RecordError, match=message):
        RunFolder.open(tmp_path, make_run(request_))
    assert (tmp_path / "run.json").read_bytes() == before
    RunFolder.open(tmp_path, make_run()).close()


def test_results_under_other_rules_are_not_mixed(tmp_path: Path) -> None:
    RunFolder.open(tmp_path, make_run()).close()
    games = [{"game": "tetris", "preset": "standard", "version": 2}]
    newer = make_run({"games": games}, prompt_hashes={"tetris/standard": "bb"})
    newer.versions = Versions(lmgame="0.2.0", python="3.13.1", rom="ff", weights="ee")
    with pytest.raises(RecordError) as caught:
        RunFolder.open(tmp_path, newer)
    for reason in (
        "the rules of tetris changed from version 1 to 2",
        "the prompt of tetris/standard changed",
        "the cartridge image is another one",
        "the model's weights are others",
        "since it began with lmgame 0.1.0",
        "--fresh",
    ):
        assert reason in str(caught.value)


def test_a_newer_lmgame_under_the_same_rules_continues(tmp_path: Path) -> None:
    RunFolder.open(tmp_path, make_run()).close()
    newer = make_run()
    newer.versions = Versions(lmgame="0.2.0", python="3.13.2")
    with RunFolder.open(tmp_path, newer) as folder:
        assert folder.record.versions.lmgame == "0.1.0"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"schema_version": 1}',
        b'{"schema_version": 1, "id": 3, "versions": 4}',
        b"[" * 99_999,
    ],
)
def test_a_damaged_run_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.json").write_bytes(content)
    for action in (lambda: read_run(tmp_path), lambda: RunFolder.open(tmp_path, make_run())):
        with pytest.raises(RecordError, match=r"run\.json is damaged .*--fresh"):
            action()
    assert (tmp_path / "run.json").read_bytes() == content


@pytest.mark.parametrize("name", ["nowhere", "file", "file/below", "folder"])
def test_reading_what_is_no_run_says_so(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(RecordError, match=r"is no run folder: it has no run\.json"):
        read_run(tmp_path / name)


def test_a_run_file_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    RunFolder.open(tmp_path, make_run()).close()
    data = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps(data | {"schema_version": 2, "versions": {"lmgame": "0.9.0"}}))
    with pytest.raises(RecordError, match=r"uv pip install 'lmgame>=0\.9\.0'"):
        RunFolder.open(tmp_path, make_run())
