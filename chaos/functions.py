"""Finds the processes that the emulator has started for the functions of a region."""

import psutil

from local.world import World


def functions_of(world: World, region: str) -> list[psutil.Process]:
    """The processes of the functions of a region: children of the emulator that were told this region."""
    emulator = world.process()
    found: list[psutil.Process] = []
    for process in emulator.children(recursive=True) if emulator else []:
        try:
            told = process.environ()
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        if told.get("AWS_REGION") == region and "AWS_LAMBDA_FUNCTION_NAME" in told:
            found.append(process)
    return found
