"""How Super Mario Bros counts distance, on made-up RAM."""

from hypothesis import given
from hypothesis import strategies as st

from lmgame_games.mario.progress import SIDE_AREAS, Distance, Scroll

MAIN = 0x25


def memory(x: int, *, world: int = 1, stage: int = 1, area: int = MAIN, scroll: int = 0) -> bytearray:
    made = bytearray(0x800)
    made[0x006D], made[0x0086] = divmod(x, 256)
    made[0x075F], made[0x075C] = world - 1, stage - 1
    made[0x074E], made[0x074F] = divmod(area, 32)
    made[0x071A], made[0x071C] = divmod(scroll, 256)
    return made


def walk(distance: Distance, *positions: int, stage: int = 1, area: int = MAIN) -> int:
    """Be moved to a place while out of control, then walk there."""
    distance.see(memory(0), False)
    for x in positions:
        distance.see(memory(x, stage=stage, area=area), True)
    return distance.total


def test_only_new_ground_counts() -> None:
    distance = Distance()
    assert walk(distance, 40, 100, 70, 90) == 60
    assert walk(distance, 40, 100) == 60  # a new life on the same ground
    assert walk(distance, 40, 101) == 61


def test_stages_add_up_and_keep_what_they_earned() -> None:
    distance = Distance()
    walk(distance, 40, 240)
    assert walk(distance, 40, 140, stage=2) == 300
    assert walk(distance, 40, 240) == 300
    assert walk(distance, 40, 150, stage=2) == 310


def test_where_a_pipe_leads_to_counts_once() -> None:
    distance = Distance()
    walk(distance, 40, 940)
    assert walk(distance, 2600) == 2560
    assert walk(distance, 940, 2600) == 2560


def test_the_areas_of_a_stage_add_up() -> None:
    distance = Distance()
    walk(distance, 40, 2700, stage=2, area=0x40)
    assert walk(distance, 2800, 2900, stage=2) == 2660 + 100


@given(area=st.sampled_from(sorted(SIDE_AREAS)), x=st.integers(0, 4000))
def test_side_areas_count_nothing(area: int, x: int) -> None:
    distance = Distance()
    walk(distance, 40, 100)
    assert walk(distance, 24, x, area=area) == 60


def test_what_the_game_does_by_itself_counts_nothing() -> None:
    distance = Distance()
    walk(distance, 40, 100)
    distance.see(memory(3000), False)
    assert distance.total == 60


visits = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from([MAIN, 0x40]), st.lists(st.integers(0, 4000), min_size=1))
)


@given(visits)
def test_the_sum_over_places_of_the_furthest_less_the_first(made: list[tuple[int, int, list[int]]]) -> None:
    distance, first, furthest, last = Distance(), {}, {}, 0
    for stage, area, positions in made:
        total = walk(distance, *positions, stage=stage, area=area)
        place = stage, area
        first.setdefault(place, positions[0])
        furthest[place] = max(furthest.get(place, 0), *positions, 0)
        assert total >= last
        last = total
    assert last == sum(furthest[place] - first[place] for place in first)


@given(visits)
def test_the_same_game_over_again_adds_nothing(made: list[tuple[int, int, list[int]]]) -> None:
    distance, totals = Distance(), []
    for _ in range(2):
        totals = [walk(distance, *positions, stage=stage, area=area) for stage, area, positions in made]
        distance.see(memory(0), False)
    assert not totals or set(totals) == {distance.total}


def test_scroll_counts_as_the_original_does() -> None:
    scroll = Scroll()
    assert scroll.total == 0
    for position, total in ((200, 200), (100, 200), (256, 255), (300, 255 + 44), (0, 299), (767, 2 * 255 + 255)):
        scroll.see(memory(0, scroll=position), False)
        assert scroll.total == total
