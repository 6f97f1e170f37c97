"""The core: pure values and functions; no time, files, network, logging or randomness."""
