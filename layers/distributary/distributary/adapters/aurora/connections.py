"""Opens direct connections: by a DSN where an emulator runs, with an IAM token and verified TLS on AWS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import psycopg

from distributary.adapters.sdk_errors import translated
from distributary.domain.dataset import Database
from distributary.domain.errors import InvalidSettings

if TYPE_CHECKING:
    from mypy_boto3_rds import RDSClient

CONNECT_SECONDS = 5

SILENCE_SECONDS = 20
"""How long a server's machine may say nothing: one that is gone in a failover does not end its connections. Linux would
wait for a quarter of an hour where something was sent, for two hours where nothing was."""

_WATCHED: Mapping[str, Any] = MappingProxyType(
    {
        "connect_timeout": CONNECT_SECONDS,
        "keepalives_idle": SILENCE_SECONDS // 2,
        "keepalives_interval": SILENCE_SECONDS // 4,
        "keepalives_count": 2,
        "tcp_user_timeout": SILENCE_SECONDS * 1000,
    }
)
"""A statement may take as long as it likes meanwhile: the machine answers for it."""

NO_DSN = (
    "the DSN is no connection string; write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with %25 for % in a password"
)


Connect = Callable[[], psycopg.Connection[Any]]


def connector(database: Database, client: Callable[[], RDSClient], region: str) -> Connect:
    """A function that opens a connection. client: signs tokens, which hold for 15 minutes: a new one for each."""

    def connect() -> psycopg.Connection[Any]:
        if database.dsn:
            try:
                psycopg.conninfo.conninfo_to_dict(database.dsn)
            except psycopg.ProgrammingError:  # libpq repeats what it cannot read, the password in it
                raise InvalidSettings(NO_DSN) from None
            return psycopg.connect(database.dsn, client_encoding="UTF8", **_WATCHED)
        for what, told in (("host", database.host), ("user", database.user)):
            if not told:  # libpq would take the machine it runs on, and the user that runs it
                raise InvalidSettings(f"the database's {what} is not told; deploy with Database{what.capitalize()}")
        with translated("signing in at the database"):
            token = client().generate_db_auth_token(database.host, database.port, database.user, region)
        return psycopg.connect(
            host=database.host, port=database.port, dbname=database.name, user=database.user, password=token,
            sslmode="verify-full", sslrootcert=database.authorities or "system",
            client_encoding="UTF8", application_name="distributary", **_WATCHED,
        )  # fmt: skip

    return connect
