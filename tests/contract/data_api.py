"""A small RDS Data API for the contract suites: passes statements on to PostgreSQL and keeps the documented limits.

It lends a connection for each request, set as nobody would want it, so that nothing is taken for granted that a session
has to ask for. A transaction keeps one, ends at the first error, and is gone after it was idle for too long. What the
documentation does not tell is refused: result types beyond its list, a colon before a name that no parameter has.
https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/data-api.html
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.pq import DiagnosticField as Field
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

REQUEST_LIMIT, RESPONSE_LIMIT, ROW_LIMIT, STATEMENT_LIMIT = 4 << 20, 1 << 20, 64 << 10, 65_536
IDLE_SECONDS, STATEMENT_SECONDS = 180.0, 45.0
ODD = " ".join(
    f"-c {each}"
    for each in (
        "DateStyle=German", "IntervalStyle=sql_standard", "TimeZone=Asia/Kathmandu", "bytea_output=escape",
        "search_path=public",
    )
)  # fmt: skip
# Of a field, by the type of its column; the other types that the documentation lists are texts.
MEMBERS = {20: "longValue", 21: "longValue", 23: "longValue", 700: "doubleValue", 701: "doubleValue",
           16: "booleanValue", 17: "blobValue"}  # fmt: skip
TEXTS = {25, 114, 650, 869, 1042, 1043, 1082, 1083, 1114, 1184, 1700, 2950, 3802}
HINTS = {"JSON": 114, "UUID": 2950, "TIMESTAMP": 1114, "DATE": 1082, "TIME": 1083, "DECIMAL": 1700}
KINDS = {"stringValue": 25, "longValue": 20, "doubleValue": 701, "booleanValue": 16, "isNull": 0}
_NAMED = re.compile(
    r"""'(?:[^']|'')*' | "[^"]*" | --[^\n]* | /\*.*?\*/ | (\$\w*\$).*?\1 | :: | := | :(?P<name>[A-Za-z_]\w*)""",
    re.DOTALL | re.VERBOSE,
)


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, kind: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.kind, self.status = kind, status


@dataclass
class Transaction:
    """An open transaction. used: when, on the monotonic clock."""

    connection: psycopg.Connection[Any]
    used: float = field(default_factory=time.monotonic)
    busy: threading.Lock = field(default_factory=threading.Lock)


class DataApi:
    """The service. clusters: connection strings without a database, by ARN. refusals: the next answers, if any."""

    def __init__(self) -> None:
        self.clusters: dict[str, str] = {}
        self.secrets: set[str] = set()
        self.transactions: dict[str, Transaction] = {}
        self.refusals: list[Refusal] = []
        self.requests: list[str] = []
        self.idle_seconds, self.statement_seconds = IDLE_SECONDS, STATEMENT_SECONDS
        self.endpoint = ""
        self._idle: list[psycopg.Connection[Any]] = []

    def answer(self, operation: str, told: dict[str, Any]) -> dict[str, Any]:
        """Do what a request asks for; raises Refusal."""
        self.requests.append(operation)
        if self.refusals:
            raise self.refusals.pop(0)
        if told.get("resourceArn") not in self.clusters:
            raise Refusal("BadRequestException", "HttpEndpoint is not enabled for the resource")
        if told.get("secretArn") not in self.secrets:
            raise Refusal("BadRequestException", "Error fetching secret")
        match operation:
            case "/BeginTransaction":
                return self._begin(told)
            case "/CommitTransaction":
                return self._end(told["transactionId"], "commit", "Transaction Committed")
            case "/RollbackTransaction":
                return self._end(told["transactionId"], "rollback", "Rollback Complete")
            case "/Execute":
                return self._execute(told)
        raise Refusal("BadRequestException", f"unknown operation {operation}", 404)

    def close(self) -> None:
        """End all transactions and connections."""
        for name in list(self.transactions):
            self._drop(name)
        for connection in self._idle:
            connection.close()

    def _connect(self, told: Mapping[str, Any]) -> psycopg.Connection[Any]:
        address = f"{self.clusters[told['resourceArn']]} dbname={told.get('database') or 'postgres'}"
        for connection in list(self._idle):
            if not connection.closed and connection.info.dbname == told.get("database"):
                self._idle.remove(connection)
                return connection
        try:
            return psycopg.connect(address, options=ODD, autocommit=True)
        except psycopg.OperationalError as error:
            raise Refusal("DatabaseUnavailableException", str(error), 504) from error

    def _return(self, connection: psycopg.Connection[Any]) -> None:
        """What was set stays for whoever comes next, in whose way it would be."""
        self._idle.append(connection)

    def _begin(self, told: Mapping[str, Any]) -> dict[str, Any]:
        connection, name = self._connect(told), uuid4().hex
        connection.execute("BEGIN")
        self.transactions[name] = Transaction(connection)
        return {"transactionId": name}

    def _end(self, name: str, how: str, status: str) -> dict[str, Any]:
        found = self._transaction(name)
        del self.transactions[name]
        self._run(found.connection, how, [], [])
        self._return(found.connection)
        return {"transactionStatus": status}

    def _transaction(self, name: str) -> Transaction:
        for each, transaction in list(self.transactions.items()):
            if time.monotonic() - transaction.used > self.idle_seconds:
                self._drop(each)
        if name not in self.transactions:
            raise Refusal("TransactionNotFoundException", f"Transaction {name} Is Not Found", 404)
        return self.transactions[name]

    def _drop(self, name: str) -> None:
        transaction = self.transactions.pop(name, None)
        if transaction is not None:
            transaction.connection.close()

    def _execute(self, told: Mapping[str, Any]) -> dict[str, Any]:
        if len(told["sql"]) > STATEMENT_LIMIT:
            raise Refusal("BadRequestException", f"sql must have length less than or equal to {STATEMENT_LIMIT}")
        sql, values, types = _positional(told["sql"], told.get("parameters", []))
        name = told.get("transactionId")
        if not name:
            connection = self._connect(told)
            try:
                return _answer(connection, self._run(connection, sql, values, types))
            finally:
                self._return(connection)
        transaction = self._transaction(name)
        if not transaction.busy.acquire(blocking=False):
            raise Refusal("DatabaseErrorException", "Transaction is still running a query")
        try:
            answer = _answer(transaction.connection, self._run(transaction.connection, sql, values, types))
        except Refusal:
            self._drop(name)
            raise
        finally:
            transaction.used = time.monotonic()
            transaction.busy.release()
        return answer

    def _run(
        self, connection: psycopg.Connection[Any], sql: str, values: list[bytes | None], types: list[int]
    ) -> PGresult:
        """The extended protocol takes one statement at a time, as the API does."""
        late = threading.Event()

        def end() -> None:
            late.set()
            connection.cancel()

        timer = threading.Timer(self.statement_seconds, end)
        timer.start()
        try:
            result = connection.pgconn.exec_params(sql.encode(), values, types)
        finally:
            timer.cancel()
        if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            if late.is_set():
                raise Refusal("StatementTimeoutException", "Request timed out")
            raise Refusal("DatabaseErrorException", _said(result))
        return result


def _said(result: PGresult) -> str:
    told = {each: (result.error_field(each) or b"").decode() for each in Field}
    detail = f"\n  Detail: {told[Field.MESSAGE_DETAIL]}" if told[Field.MESSAGE_DETAIL] else ""
    place = f"; Position: {told[Field.STATEMENT_POSITION]}" if told[Field.STATEMENT_POSITION] else ""
    return f"ERROR: {told[Field.MESSAGE_PRIMARY]}{detail}{place}; SQLState: {told[Field.SQLSTATE]}"


def _positional(sql: str, parameters: list[dict[str, Any]]) -> tuple[str, list[bytes | None], list[int]]:
    """The statement as PostgreSQL takes it, its parameters as texts, and their types."""
    numbers = {each["name"]: number for number, each in enumerate(parameters, 1)}

    def place(match: re.Match[str]) -> str:
        name = match["name"]
        if name is None:
            return match[0]
        if name not in numbers:
            raise Refusal("BadRequestException", f"Cannot find parameter: {name}")
        return f"${numbers[name]}"

    values, types = [], []
    for each in parameters:
        ((kind, value),) = each["value"].items()
        if kind not in KINDS:
            raise Refusal("BadRequestException", "Array parameters are not supported")
        if "typeHint" in each and each["typeHint"] not in HINTS:
            raise Refusal("ValidationException", f"{each['typeHint']} is no type hint")
        types.append(HINTS[each["typeHint"]] if "typeHint" in each else KINDS[kind])
        values.append(None if kind == "isNull" else (value if kind == "stringValue" else json.dumps(value)).encode())
    return _NAMED.sub(place, sql), values, types


def _answer(connection: psycopg.Connection[Any], result: PGresult) -> dict[str, Any]:
    answer = {"generatedFields": [], "numberOfRecordsUpdated": 0}
    if result.status == ExecStatus.COMMAND_OK:
        return {**answer, "numberOfRecordsUpdated": result.command_tuples or 0}
    members = [_member(connection, result.ftype(column)) for column in range(result.nfields)]
    total, records = 0, []
    for row in range(result.ntuples):
        values = [result.get_value(row, column) for column in range(result.nfields)]
        size = sum(len(value) for value in values if value is not None)
        total += size
        if size > ROW_LIMIT:
            raise Refusal("BadRequestException", "Packet for query is too large")
        if total > RESPONSE_LIMIT:
            raise Refusal("DatabaseErrorException", "Database returned more than the allowed response size limit")
        records.append([_field(member, value) for member, value in zip(members, values, strict=True)])
    return {**answer, "records": records}


def _member(connection: psycopg.Connection[Any], oid: int) -> str:
    if oid in MEMBERS:
        return MEMBERS[oid]
    if oid in TEXTS:
        return "stringValue"
    found = connection.pgconn.exec_(f"SELECT typtype, typname FROM pg_catalog.pg_type WHERE oid = {oid}".encode())
    if found.get_value(0, 0) == b"e":
        return "stringValue"
    name = (found.get_value(0, 1) or b"").decode()
    raise Refusal("UnsupportedResultException", f"The result contains the unsupported data type {name.upper()}.")


def _field(member: str, value: bytes | None) -> dict[str, Any]:
    if value is None:
        return {"isNull": True}
    text = value.decode()
    match member:
        case "longValue":
            return {member: int(text)}
        case "doubleValue":
            return {member: float(text)}
        case "booleanValue":
            return {member: text == "t"}
    return {member: text}


class Handler(BaseHTTPRequestHandler):
    """Reads a request of the protocol restJson1 and writes its answer."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet: two would wait for an acknowledgement
    service: DataApi

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if "AWS4-HMAC-SHA256" not in self.headers.get("Authorization", ""):
            self._send(403, {"message": "Missing Authentication Token"}, "AccessDeniedException")
        elif length + len(bytes(self.headers)) > REQUEST_LIMIT:
            self._send(413, {"message": "Request is too large"}, "RequestEntityTooLargeException")
        else:
            try:
                self._send(200, self.service.answer(self.path, json.loads(body)))
            except Refusal as refusal:
                self._send(refusal.status, {"message": str(refusal)}, refusal.kind)

    def _send(self, status: int, told: dict[str, Any], kind: str = "") -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if kind:
            self.send_header("x-amzn-ErrorType", kind)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Requests are kept by the service."""


@contextmanager
def data_api() -> Iterator[DataApi]:
    """The service on a free port of the loopback interface."""
    service = DataApi()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"service": service}))
    server.daemon_threads = True
    service.endpoint = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        service.close()
