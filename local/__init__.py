"""Several regions on one machine: an AWS emulator, and the stacks deployed into it."""
