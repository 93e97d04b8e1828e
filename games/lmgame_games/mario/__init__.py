"""Super Mario Bros on the NES emulator of nes-py."""

from lmgame_games.core import Card, Game


def _card(preset: str) -> Card:
    from lmgame_games.mario.cards import card

    return card(preset)


def _check() -> None:
    from lmgame_games.mario.requirements import check

    check()


GAME = Game(
    name="mario",
    title="Super Mario Bros",
    env_id="lmgame/SuperMarioBros-v1",
    entry_point="lmgame_games.mario.env:SuperMarioBrosEnv",
    presets=("standard", "lmgame-bench-2025"),
    cards=_card,
    scripted="lmgame_games.mario.player:MarioPlayer",
    extra="mario",
    threads=True,  # a frame takes about 0.8 ms, all of it in the emulator, which releases the lock
    check=_check,
    options={
        "stage": "start stage, such as 1-1; overrides the seed's choice",
        "lives": "1 or 3",
        "rom": "path of a cartridge image of your own",
    },
)
