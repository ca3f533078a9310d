"""Opens direct connections: by a DSN where an emulator runs, with an IAM token and verified TLS on AWS."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import psycopg

from distributary.adapters.sdk_errors import translated
from distributary.domain.dataset import Database
from distributary.domain.errors import InvalidSettings

if TYPE_CHECKING:
    from mypy_boto3_rds import RDSClient

CONNECT_SECONDS = 5

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
            return psycopg.connect(database.dsn, connect_timeout=CONNECT_SECONDS, client_encoding="UTF8")
        for what, told in (("host", database.host), ("user", database.user)):
            if not told:  # libpq would take the machine it runs on, and the user that runs it
                raise InvalidSettings(f"the database's {what} is not told; deploy with Database{what.capitalize()}")
        with translated("signing in at the database"):
            token = client().generate_db_auth_token(database.host, database.port, database.user, region)
        return psycopg.connect(
            host=database.host, port=database.port, dbname=database.name, user=database.user, password=token,
            sslmode="verify-full", sslrootcert=database.authorities or "system", connect_timeout=CONNECT_SECONDS,
            client_encoding="UTF8", application_name="distributary",
        )  # fmt: skip

    return connect
