"""One module for each command; its `main(options)` returns the exit code."""
