"""The site as files in another browser than Chromium."""

import os
from pathlib import Path

import pytest

from lmgame_leaderboards import read_episode

from .conftest import Played
from .firefox import FIREFOX, Firefox


async def test_it_is_looked_at_from_disk_in_firefox(export: Path, played: Played, tmp_path: Path):
    if not FIREFOX:
        if os.environ.get("CI"):
            pytest.fail("there is no Firefox; .ci/run installs it")
        pytest.skip("there is no Firefox: apt-get install firefox-esr, or name one in LMGAME_TEST_FIREFOX")
    async with Firefox.running(tmp_path) as browser:
        await browser.open((export / "index.html").as_uri())
        await browser.until("document.querySelector('#matrix svg')")
        record = played.records("cards")[0]
        await browser.open(f"{export.as_uri()}/{played.address(record)}#9")
        await browser.until("document.querySelector('.screen:not(.waiting) img')?.naturalWidth > 100")
        line = read_episode(record).decisions[9]
        assert await browser.value("document.querySelector('.to-move .moves').textContent") == " ".join(line["moves"])
        await browser.value("document.getElementById('on').click()")
        await browser.until("document.getElementById('moment').textContent.startsWith('decision 10 of')")
        await browser.until("document.querySelector('#line svg')")
        one, other = [record for record in played.records("board") if record.name.startswith("tetris-standard-0-")]
        ids = "+".join(played.address(record).removeprefix("runs/").removesuffix(".html") for record in (one, other))
        await browser.open(f"{export.as_uri()}/match.html#{ids}@4")
        await browser.until("document.querySelectorAll('.screen:not(.waiting) img').length == 2")
