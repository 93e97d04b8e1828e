"""The console under Super Mario Bros: what it needs, the cartridge, booting to a stage."""

import shutil
import subprocess
import sys
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import pytest

from lmgame_common import GameError, MissingDependencyError, UsageError
from lmgame_games.mario import requirements
from lmgame_games.mario.cards import ALL_STAGES

pytest.importorskip("nes_py")

from lmgame_games.mario import ram
from lmgame_games.mario.cartridge import find
from lmgame_games.mario.console import Console


@pytest.mark.parametrize("name", ALL_STAGES)
def test_every_stage_boots_to_a_playable_start(name: str) -> None:
    world, stage = map(int, name.split("-"))
    console = Console(find(), world, stage)
    memory = console.memory
    assert ram.phase(memory) is ram.Phase.PLAY
    assert ram.stage(memory) == (world, stage)
    assert ram.lives(memory) == 3
    assert ram.time_left(memory) in (300, 400)
    assert ram.scroll(memory) == 0
    before = ram.mario_x(memory)
    for _ in range(40):
        console.advance(0x80)  # right
    assert ram.mario_x(memory) > before


def test_booting_writes_only_the_stage() -> None:
    start = Console(find(), 4, 3).start
    assert dict(start.writes) == {0x075F: 3, 0x075C: 2, 0x0760: 3}
    assert set(start.before) == {0}
    assert start.after.strip(b"\0") == b"\x08"


def test_rewinding_is_exact() -> None:
    console = Console(find(), 1, 1)
    memory, frame = bytes(console.memory), console.frame()
    once = _ride(console)
    assert once != memory
    console.rewind()
    assert bytes(console.memory) == memory
    assert (console.frame() == frame).all()
    assert _ride(console) == once


def _ride(console: Console) -> bytes:
    for _ in range(90):
        console.advance(0x83)
    return bytes(console.memory)


def test_the_ram_view_cannot_be_written_through() -> None:
    memory = Console(find(), 1, 1).memory
    with pytest.raises(TypeError):
        memory[0x075A] = 9  # type: ignore[index]


def test_the_packaged_cartridge_is_found_without_its_package() -> None:
    code = "import lmgame_games.mario.cartridge as c, sys; c.find(); assert 'gym_super_mario_bros' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_cartridge_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "own.nes"
    shutil.copy(find().path, own)
    cartridge = find(own)
    assert cartridge.path == str(own)
    assert cartridge.sha256 == sha256(own.read_bytes()).hexdigest() == find().sha256


def test_a_missing_cartridge(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing\.nes.*No such file.*\.nes file"):
        find(tmp_path / "nothing.nes")
    with pytest.raises(UsageError, match="can't be read"):
        find(tmp_path)


def test_a_file_that_is_no_cartridge(tmp_path: Path) -> None:
    (tmp_path / "text.nes").write_text("hello")
    with pytest.raises(UsageError, match="no NES cartridge image"):
        find(tmp_path / "text.nes")


def test_a_torn_cartridge(tmp_path: Path) -> None:
    torn = tmp_path / "torn.nes"
    torn.write_bytes(Path(find().path).read_bytes()[:5000])
    with pytest.raises(UsageError, match="can't run the cartridge image"):
        Console(find(torn), 1, 1)


def test_another_game(tmp_path: Path) -> None:
    # The same cartridge with a program that does nothing but jump to itself.
    image = bytearray(Path(find().path).read_bytes())
    image[16:32784] = bytes((0x4C, 0x00, 0x80)) + bytes(32760) + bytes((0x00, 0x80, 0x00, 0x80, 0x00))
    (tmp_path / "other.nes").write_bytes(image)
    with pytest.raises(UsageError, match="doesn't start like Super Mario Bros"):
        Console(find(tmp_path / "other.nes"), 1, 1)


def test_an_older_python_is_told_which_one_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements.sys, "version_info", (3, 12, 7))
    with pytest.raises(GameError, match=r"needs Python 3\.13.*you run 3\.12\. Use: uv run --python 3\.13"):
        requirements.check()


@pytest.mark.parametrize("missing", ["nes_py", "gym_super_mario_bros"])
def test_a_missing_package_is_told_by_its_extra(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    requirements.check()
    monkeypatch.setattr(requirements, "find_spec", lambda name: None if name == missing else find_spec(name))
    with pytest.raises(MissingDependencyError, match=r"lmgame\[mario\]"):
        requirements.check()


def test_cards_need_no_emulator() -> None:
    code = (
        "import sys; sys.modules['nes_py'] = sys.modules['gym_super_mario_bros'] = None; import lmgame_games as games; "
        "assert games.card('mario').hold == (1, 60); assert games.card('mario', 'lmgame-bench-2025').max_moves == 1"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
