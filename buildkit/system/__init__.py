"""The machine that the tool runs on: files, processes, signals, the terminal."""
