"""One folder a technology: the ports of the program, spoken to real services."""
