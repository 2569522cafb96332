"""One file a command: what was typed is checked, the work is started, the exit code is chosen."""
