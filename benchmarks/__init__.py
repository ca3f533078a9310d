"""Measures lag, throughput, CPU time and cold starts, each beside a plain chain that does the same in the same run."""
