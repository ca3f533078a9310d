"""Builds the project once and deploys its stacks into the emulator, every region at the same time."""

import hashlib
import os
import subprocess
import tomllib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from local.children import Children
from local.replicas import Replica
from local.world import PROJECT, STATE_FOLDER, LocalWorldError, World

SAM = PROJECT / ".venv-sam" / "bin" / "sam"
BUILD_FOLDER = STATE_FOLDER / "build"
BUILD_DIGEST = STATE_FOLDER / "build.sha256"
SOURCES = ("template.yaml", "samconfig.toml", "functions", "layers")
LOG_LINES = 15


def sources_digest(replication: Path) -> str:
    """A digest of all that a build reads, so that an unchanged project is not built again."""
    digest = hashlib.sha256(replication.read_bytes())
    for file in sorted(_files(PROJECT / source for source in SOURCES)):
        digest.update(str(file.relative_to(PROJECT)).encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _files(roots: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for root in roots:
        inside = root.rglob("*") if root.is_dir() else [root]
        # The layer's link to replication.toml stands for the file that is digested by itself.
        found += [f for f in inside if f.is_file() and not f.is_symlink() and "__pycache__" not in f.parts]
    return found


def build(replication: Path, digest: str, children: Children) -> bool:
    """Run `sam build`, unless the last build had the same sources; says whether it had to.

    Raises:
        LocalWorldError: when SAM is missing or the build fails; the message ends with what SAM said last.
    """
    if not SAM.exists():
        raise LocalWorldError("The SAM CLI is not installed. Install it with: make venv")
    if BUILD_DIGEST.exists() and BUILD_DIGEST.read_text() == digest:
        return False
    BUILD_DIGEST.unlink(missing_ok=True)
    log = STATE_FOLDER / "build.log"
    command = [str(SAM), "build", "--config-env", "local", "--build-dir", str(BUILD_FOLDER)]
    environment = _environment() | {"REPLICATION": str(replication)}
    _run("sam build", command, environment, log, children)
    BUILD_DIGEST.write_text(digest)
    return True


def deploy(world: World, replicas: list[Replica], children: Children, report: Callable[[Replica], None]) -> None:
    """Run `sam deploy` for every replica, all regions at once; `report` is called as each one ends.

    Raises:
        LocalWorldError: when a deployment fails; the others are then stopped.
    """
    regions = {replica.region for replica in replicas}
    with ThreadPoolExecutor(max_workers=len(regions)) as pool:
        running = [
            pool.submit(_deploy_region, world, [r for r in replicas if r.region == region], children, report)
            for region in sorted(regions)
        ]
        try:
            for done in as_completed(running):
                done.result()
        except BaseException:
            # Ctrl-C included: the pool waits for its threads, and those wait for these processes.
            children.stop()
            raise


def _deploy_region(
    world: World, replicas: list[Replica], children: Children, report: Callable[[Replica], None]
) -> None:
    # One after the other: the first deployment of a region makes the bucket that the others share.
    for replica in replicas:
        _deploy_one(world, replica, children)
        report(replica)


def _deploy_one(world: World, replica: Replica, children: Children) -> None:
    address = world.aurora.get(replica.region, {}).get(replica.dataset, "")
    command = [
        *(str(SAM), "deploy", "--config-env", "local", "--config-file", str(PROJECT / "samconfig.toml")),
        *("--template-file", str(BUILD_FOLDER / "template.yaml"), "--stack-name", replica.stack),
        *("--region", replica.region, "--resolve-s3", "--no-progressbar"),
        *("--parameter-overrides", *_shared_parameters(), *replica.parameters(address)),
    ]
    environment = _environment() | {
        "AWS_ACCESS_KEY_ID": world.access_key_id,
        "AWS_SECRET_ACCESS_KEY": world.secret_access_key,
        "AWS_DEFAULT_REGION": replica.region,
        "AWS_ENDPOINT_URL": world.endpoint,
    }
    log = STATE_FOLDER / f"deploy-{replica.dataset}-{replica.region}.log"
    _run(f"sam deploy of {replica.dataset} to {replica.region}", command, environment, log, children)


def _shared_parameters() -> list[str]:
    # The command line replaces the list of samconfig.toml as a whole, so it is repeated there.
    settings = tomllib.loads((PROJECT / "samconfig.toml").read_text(encoding="utf-8"))
    parameters: list[str] = settings["local"]["deploy"]["parameters"]["parameter_overrides"]
    return parameters


def _environment() -> dict[str, str]:
    """This process's environment without any AWS profile, with everything SAM writes kept in the project."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAM_"))}
    nowhere = os.devnull
    return inherited | {
        "PATH": f"{SAM.parent}{os.pathsep}{inherited.get('PATH', os.defpath)}",
        "SAM_CLI_TELEMETRY": "0",
        "__SAM_CLI_APP_DIR": str(STATE_FOLDER / "sam"),
        "AWS_CONFIG_FILE": nowhere,
        "AWS_SHARED_CREDENTIALS_FILE": nowhere,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": ",".join(filter(None, [inherited.get("NO_PROXY", ""), "127.0.0.1"])),
    }


def _run(what: str, command: list[str], environment: dict[str, str], log: Path, children: Children) -> None:
    with log.open("wb") as output:
        status = children.run(command, cwd=PROJECT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    if status != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])
        raise LocalWorldError(f"{what} failed with status {status}. The whole log: {log}\n{tail}")
