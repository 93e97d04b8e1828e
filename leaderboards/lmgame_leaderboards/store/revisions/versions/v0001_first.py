"""The first form of the tables: players, games with their seats, published results."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "players",
        sa.Column("key", sa.String(16), primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
    )
    op.create_table(
        "games",
        sa.Column("key", sa.String(24), primary_key=True),
        sa.Column("game", sa.Text, nullable=False),
        sa.Column("preset", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("options", sa.Text, nullable=False),
        sa.Column("clock", sa.Text, nullable=False),
        sa.Column("max_decisions", sa.BigInteger),
        sa.Column("rom", sa.Text),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("finished", sa.Double, nullable=False),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("episode", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("digest", sa.BigInteger, nullable=False),
    )
    op.create_index("games_by_conditions", "games", ["game", "preset", "clock"])
    op.create_table(
        "seats",
        sa.Column("game_key", sa.String(24), sa.ForeignKey("games.key", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("player_key", sa.String(16), sa.ForeignKey("players.key"), nullable=False),
        sa.Column("base_url", sa.Text),
        sa.Column("reference", sa.Boolean, nullable=False),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("decisions", sa.BigInteger, nullable=False),
        sa.Column("observation", sa.Text),
        sa.Column("prompt_hash", sa.Text),
        sa.Column("verdicts", sa.Text, nullable=False),
        sa.Column("infrastructure_faults", sa.BigInteger, nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger),
        sa.Column("cached_tokens", sa.BigInteger),
        sa.Column("completion_tokens", sa.BigInteger),
        sa.Column("reasoning_tokens", sa.BigInteger),
        sa.Column("cost_usd", sa.Double),
        sa.Column("latency_mean", sa.Double),
        sa.Column("latency_median", sa.Double),
        sa.Column("latency_p95", sa.Double),
        sa.Column("latency_first_token_median", sa.Double),
        sa.Column("latency_between_tokens_median", sa.Double),
        sa.CheckConstraint("number >= 0", name="seats_number"),
    )
    op.create_index("seats_by_player", "seats", ["player_key"])
    op.create_table(
        "published",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("game", sa.Text, primary_key=True),
        sa.Column("preset", sa.Text, primary_key=True),
        sa.Column("harness", sa.Boolean, primary_key=True),
        sa.Column("scores", sa.Text, nullable=False),
        sa.Column("note", sa.Text),
    )
