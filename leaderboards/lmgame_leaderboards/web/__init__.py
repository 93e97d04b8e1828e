"""The pages on which people look at standings and watch games: a local server, and a site of files."""

from lmgame_leaderboards.web.stage import Frame, GameSheet, Replay, Scene, Stage

__all__ = ["Frame", "GameSheet", "Replay", "Scene", "Stage"]
