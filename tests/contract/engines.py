"""Starts the engines that the contract suites run on, on free loopback ports, and stops them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import NoReturn

import boto3
import pytest
from botocore.config import Config
from mypy_boto3_dynamodb import DynamoDBClient
from mypy_boto3_rds_data import RDSDataServiceClient
from mypy_boto3_sqs import SQSClient

from distributary import wiring, wiring_aurora
from tests.contract.dynamodb_local import JAR, install

ROOT = Path(__file__).resolve().parents[2]
MINISTACK = ROOT / ".venv-ministack" / "bin" / "ministack"
START_LIMIT = 60.0
# As deployed, with more patience: these machines are slow.
CONFIG = wiring.DATABASE.merge(Config(connect_timeout=5, read_timeout=30))
SESSION = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test")


class EngineMissingError(Exception):
    """The engine cannot run on this machine; the message says what to install."""


@contextmanager
def ministack(folder: Path) -> Iterator[str]:
    """The endpoint of an emulator of AWS."""
    if not MINISTACK.exists():
        raise EngineMissingError("ministack is missing: run `make venv`")
    port = free_port()
    environment = {"GATEWAY_PORT": str(port), "AUTH": "false", "PATH": os.environ["PATH"], "HOME": str(folder)}
    with _running([str(MINISTACK)], folder, environment, port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def dynamodb_local(folder: Path) -> Iterator[str]:
    """The endpoint of Amazon's own engine for DynamoDB."""
    java = shutil.which("java")
    if java is None:
        raise EngineMissingError("Java is missing: DynamoDB Local needs Java 17")
    problem = install()
    if problem:
        raise EngineMissingError(problem)
    port = free_port()
    libraries = f"-Djava.library.path={JAR.parent / 'DynamoDBLocal_lib'}"
    command = [java, "-Xmx512m", libraries, "-jar", str(JAR), "-inMemory", "-port", str(port), "-disableTelemetry"]
    with _running(command, folder, {"PATH": os.environ["PATH"], "HOME": str(folder)}, port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def or_skip(engine: AbstractContextManager[str]) -> Iterator[str]:
    """The engine; where it is missing the tests are skipped, or fail where nothing may be missing."""
    with ExitStack() as stack:
        try:
            endpoint = stack.enter_context(engine)
        except EngineMissingError as error:
            _refuse(str(error))
        yield endpoint


def _refuse(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def dynamodb_client(endpoint: str) -> DynamoDBClient:
    """A client of an engine."""
    return SESSION.client("dynamodb", endpoint_url=endpoint, region_name="us-east-1", config=CONFIG)


def sqs_client(endpoint: str, region: str) -> SQSClient:
    """A client of an engine, for one of its regions."""
    return SESSION.client("sqs", endpoint_url=endpoint, region_name=region, config=CONFIG)


@cache
def data_api_client(endpoint: str, region: str) -> RDSDataServiceClient:
    """A client of a Data API, as deployed."""
    return SESSION.client("rds-data", endpoint_url=endpoint, region_name=region, config=wiring_aurora.DATA_API)


def free_port() -> int:
    """A port of the loopback interface that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _running(command: list[str], folder: Path, environment: dict[str, str], port: int) -> Iterator[None]:
    log = folder / "engine.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
        try:
            _await_port(process, port, log)
            yield
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"{process.args!r} does not listen on {port}; its log ends: {log.read_text()[-2000:]}")
