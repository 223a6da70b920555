"""What lies in these folders is handed in, or checks it: none of it is a test of this project's."""

collect_ignore = ["exercise", "submissions"]
