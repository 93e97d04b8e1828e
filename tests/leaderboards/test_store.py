"""The results store, on both of its engines."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, text

from lmgame_common import StoreError
from lmgame_leaderboards import PlayedGame, UsageTotals
from lmgame_leaderboards.published import PublishedScore
from lmgame_leaderboards.store import Merged, Store
from lmgame_leaderboards.store.tables import HEAD, VERSION_TABLE, games, metadata
from lmgame_leaderboards.store.upgrade import REVISIONS
from tests.leaderboards.played import make_game, make_player, make_seat, make_shared


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return request.getfixturevalue("postgres_url")
    return str(tmp_path / "new" / "results.sqlite")


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store.open(url) as store:
        yield store


def test_what_comes_out_is_what_went_in(store: Store) -> None:
    put = [
        make_shared(1, run="arena"),
        make_game(2, clock="realtime", rom="f" * 64, max_decisions=None, finished=0.0, source=""),
        make_game(2**40, (make_seat(make_player("µ 模型 🎲"), -1.5, usage=UsageTotals(), verdicts={}),)),
    ]
    assert store.put(put) == Merged(added=3)
    assert store.games() == put
    assert [game.key for game in store.games()] == [game.key for game in put]
    assert store.count() == 3


def test_players_may_have_moved_and_other_settings_are_other_players(store: Store) -> None:
    players = [make_player(), make_player(base_url="http://elsewhere/v1"), make_player(sampling={"temperature": 1.0})]
    assert players[0].key == players[1].key != players[2].key
    put = [make_game(seed, (make_seat(player),)) for seed, player in enumerate(players)]
    store.put(put)
    assert store.games() == put


def test_entries_that_are_none_are_dropped_as_identities_drop_them(store: Store) -> None:
    game = make_game(
        0, (make_seat(make_player(sampling={"temperature": 0.5, "top_p": None})),), options={"level": None}
    )
    store.put([game])
    (found,) = store.games()
    assert found.key == game.key
    assert found.options == {} and found.seats[0].player == make_player()


def test_putting_twice_changes_nothing(store: Store) -> None:
    put = [make_game(0), make_shared(0)]
    assert store.put([*put, put[0]]) == Merged(added=2, same=1)
    assert store.put(put) == Merged(same=2)
    assert store.games() == sorted(put, key=lambda game: game.game)


def test_of_a_game_played_twice_the_later_stays(store: Store) -> None:
    earlier = make_shared(0, (1.0, 0.0), finished=10.0)
    later = make_shared(0, (0.0, 1.0), finished=20.0, run="fresh", outcome="forfeit")
    assert store.put([earlier]) == Merged(added=1)
    assert store.put([later]) == Merged(replaced=1)
    assert store.put([earlier]) == Merged(same=1)
    assert store.games() == [later]


def test_records_are_looked_for_where_they_were_last_seen(store: Store) -> None:
    store.put([make_game(0, source="/old")])
    assert store.put([make_game(0, source="/new")]) == Merged(same=1)
    assert store.put([make_game(0, source="")]) == Merged(same=1)
    assert store.games() == [make_game(0, source="/new")]


def test_filters(store: Store) -> None:
    raced = [make_game(seed, (make_seat(make_player(model)),)) for seed, model in enumerate("abc")]
    shared, fast = make_shared(0), make_game(0, clock="realtime", preset="other")
    store.put([*raced, shared, fast])
    assert store.games(game="connect4") == [shared]
    assert store.games(game="tetris", preset="standard", clock="paused") == raced
    assert store.games(clock="realtime") == store.games(preset="other") == [fast]
    assert store.games(models=["a", "b"]) == [shared, *raced[:2]]
    assert store.games(models=["a"]) == [raced[0]]
    assert store.games(models=[]) == []


def test_a_failure_leaves_nothing_behind(store: Store) -> None:
    bad = make_game(1, (make_seat(decisions=2**70),))
    with pytest.raises(StoreError, match="can't be"):
        store.put([make_game(0), bad])
    with pytest.raises(StoreError, match="tetris-standard-3 of run"):
        store.put([make_game(0), make_game(3, (make_seat(score=float("nan")),))])
    assert store.count() == 0


def _raced(seed: int, score: float, finished: float) -> PlayedGame:
    return make_game(seed, (make_seat(score=score),), finished=finished)


def _shared(seed: int, score: float, finished: float) -> PlayedGame:
    return make_shared(seed, (score, 1.0 - score), finished=finished)


@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_order_of_coming_in_does_not_matter(store: Store, data: st.DataObject) -> None:
    pool = [
        make(seed, score, finished)
        for make in (_raced, _shared)
        for seed in (0, 1)
        for score in (0.0, 1.0)
        for finished in (1.0, 2.0)
    ]
    batches = data.draw(st.lists(st.lists(st.sampled_from(pool), max_size=5), max_size=4))
    shuffled = data.draw(st.permutations([game for batch in batches for game in batch]))
    assert _after(store, batches) == _after(store, [[game] for game in shuffled]) == _after(store, [shuffled])


def _after(store: Store, batches: Sequence[Sequence[PlayedGame]]) -> list[PlayedGame]:
    with store._writing() as connection:
        connection.execute(delete(games))
    count = 0
    for batch in batches:
        merged = store.put(batch)
        assert merged.added + merged.replaced + merged.same == len(batch)
        count += merged.added
    found = store.games()
    assert len(found) == count
    return found


WRITER = """
import sys
from lmgame_leaderboards.store import Store
from tests.leaderboards.played import make_game
url, number = sys.argv[1], int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
with Store.open(url) as store:
    for first in range(0, 200, 20):
        # Own seeds, and some that all of the writers have, of which the last writer's finished last.
        seeds = [*range(1000 * number + first, 1000 * number + first + 20), *range(first, first + 20)]
        store.put([make_game(seed, finished=float(number), run=str(number)) for seed in reversed(seeds)])
"""


def test_writers_at_once_lose_nothing(url: str) -> None:
    """From an empty database on, which all of them find empty."""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, url, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for number in (1, 2, 3)
    ]
    for writer in writers:
        assert writer.stdout and writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin
        writer.stdin.write("\n")
        writer.stdin.flush()
    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        assert writer.returncode == 0, errors
    with Store.open(url) as store:
        found = {game.seed: game for game in store.games()}
    assert sorted(found) == [*range(200), *range(1000, 1200), *range(2000, 2200), *range(3000, 3200)]
    assert {found[seed].run for seed in range(200)} == {"3"}
    assert all(len(game.seats) == 1 for game in found.values())


def test_threads_may_share_a_store(store: Store) -> None:
    with ThreadPoolExecutor(4) as pool:
        merged = list(pool.map(lambda n: store.put([make_game(s) for s in range(10 * n, 10 * n + 15)]), range(8)))
    assert sum(one.added for one in merged) == store.count() == 85


def test_published_scores_stand_apart(store: Store) -> None:
    said: dict[str, Any] = {"source": "they", "model": "m", "game": "tetris", "preset": "p", "harness": False}
    first = PublishedScore(**said, scores=(1.0, 2.0), note="by hand")
    other = PublishedScore(**{**said, "preset": "", "harness": True}, scores=(3.0,))
    assert store.put_published([first, other]) == Merged(added=2)
    corrected = replace(first, scores=(1.0, 3.0), note=None)
    assert store.put_published([corrected, other]) == Merged(replaced=1, same=1)
    assert store.published() == [other, corrected]
    assert store.games() == [] and store.count() == 0


def test_revisions_lead_to_the_tables(store: Store) -> None:
    with store._reading() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == HEAD == ScriptDirectory(str(REVISIONS)).get_current_head()


def test_a_newer_store_is_refused(store: Store, url: str) -> None:
    store.put([make_game(0)])
    with store._writing() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(StoreError, match=r"newer lmgame \(revision 9999.*--upgrade lmgame"):
        Store.open(url)
    assert store.count() == 1


def test_tables_of_somebody_else_are_left_alone(store: Store, url: str) -> None:
    with store._writing() as connection:
        connection.execute(text(f"DROP TABLE {VERSION_TABLE}"))
    with pytest.raises(StoreError, match=r"tables of the same names \(games, players, published, seats\)"):
        Store.open(url)


def test_its_state_changes_with_what_is_in_it_and_with_nothing_else(store: Store) -> None:
    states = [store.state()]
    score = PublishedScore(source="somewhere", model="m", game="tetris", harness=False, scores=(1.0,))
    changes = [
        lambda: store.put([make_game(0)]),
        lambda: store.put([make_game(1), make_shared(1)]),
        lambda: store.put([make_game(0, (make_seat(score=99.0),), finished=2000.0)]),  # played again
        lambda: store.put_published([score]),
    ]
    for change in changes:
        change()
        states.append(store.state())
        change()
        assert store.state() == states[-1], "the same put in once more is nothing new"
    assert len(set(states)) == len(states) and all(isinstance(state, str) for state in states)
    store.games()
    assert store.state() == states[-1]


def test_its_state_is_that_of_the_games_whatever_their_order(tmp_path: Path) -> None:
    put = [make_game(seed) for seed in range(20)]
    found = set()
    for at, games_ in enumerate((put, put[::-1])):
        with Store.open(str(tmp_path / f"{at}.sqlite")) as store:
            for one in games_:
                store.put([one])
            found.add(store.state())
    assert len(found) == 1


def test_published_scores_that_change_change_its_state(store: Store) -> None:
    score = PublishedScore(source="somewhere", model="m", game="tetris", harness=False, scores=(1.0,))
    store.put_published([score])
    before = store.state()
    store.put_published([replace(score, scores=(2.0,))])
    assert store.state() != before
