"""Submissions and what is said of them. Values so far, and no command: what is asked for, what was handed in, verdicts."""
