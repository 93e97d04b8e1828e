"""The store's tables. `revisions/` brings a database to this form; a test holds that the two agree."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

HEAD = "0001"
"""The newest revision of the tables."""

VERSION_TABLE = "lmgame_version"
"""Where Alembic keeps the revision a database is at; not its usual name, for databases that others use as well."""

metadata = MetaData()

players = Table(
    "players",
    metadata,
    Column("key", String(16), primary_key=True),
    Column("model", Text, nullable=False),
    # A PlayerRecord as canonical JSON, without what is not part of its key.
    Column("settings", Text, nullable=False),
)

games = Table(
    "games",
    metadata,
    Column("key", String(24), primary_key=True),
    Column("game", Text, nullable=False),
    Column("preset", Text, nullable=False),
    Column("version", Integer, nullable=False),
    # Canonical JSON.
    Column("options", Text, nullable=False),
    Column("clock", Text, nullable=False),
    Column("max_decisions", BigInteger),
    Column("rom", Text),
    Column("seed", BigInteger, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("finished", Double, nullable=False),
    Column("run", Text, nullable=False),
    Column("episode", Text, nullable=False),
    Column("source", Text, nullable=False),
    # Of all but the source, so that equal games are told from others at one glance.
    Column("digest", BigInteger, nullable=False),
    Index("games_by_conditions", "game", "preset", "clock"),
)

seats = Table(
    "seats",
    metadata,
    Column("game_key", String(24), ForeignKey("games.key", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("player_key", String(16), ForeignKey("players.key"), nullable=False),
    Column("base_url", Text),
    Column("reference", Boolean, nullable=False),
    Column("score", Double, nullable=False),
    Column("decisions", BigInteger, nullable=False),
    Column("observation", Text),
    Column("prompt_hash", Text),
    # Canonical JSON.
    Column("verdicts", Text, nullable=False),
    Column("infrastructure_faults", BigInteger, nullable=False),
    Column("prompt_tokens", BigInteger),
    Column("cached_tokens", BigInteger),
    Column("completion_tokens", BigInteger),
    Column("reasoning_tokens", BigInteger),
    Column("cost_usd", Double),
    Column("latency_mean", Double),
    Column("latency_median", Double),
    Column("latency_p95", Double),
    Column("latency_first_token_median", Double),
    Column("latency_between_tokens_median", Double),
    CheckConstraint("number >= 0", name="seats_number"),
    Index("seats_by_player", "player_key"),
)

published = Table(
    "published",
    metadata,
    Column("source", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("game", Text, primary_key=True),
    Column("preset", Text, primary_key=True),
    Column("harness", Boolean, primary_key=True),
    # JSON: the scores of the single runs.
    Column("scores", Text, nullable=False),
    Column("note", Text),
)
