"""Fault runs: the deployed system under load, with faults injected between its functions and the emulator."""
