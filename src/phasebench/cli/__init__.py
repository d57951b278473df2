"""The command line: one command for each rule, and commands that only look."""
