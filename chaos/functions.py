"""Finds the processes that the emulator has started for the functions of a region."""

import psutil

from local.world import World


def functions_of(world: World, region: str, but: set[int] | None = None) -> list[psutil.Process]:
    """The processes of the functions of a region: children of the emulator that were told this region.

    but: process ids that were looked at before; they are left out, and what is looked at now is added. A child that
    has no environment yet, between fork and exec, is looked at again.
    """
    emulator = world.process()
    found: list[psutil.Process] = []
    for process in emulator.children(recursive=True) if emulator else []:
        if but is not None and process.pid in but:
            continue
        try:
            told = process.environ()
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        function = "AWS_LAMBDA_FUNCTION_NAME" in told
        if function and told.get("AWS_REGION") == region:
            found.append(process)
        if function and but is not None:
            but.add(process.pid)
    return found
