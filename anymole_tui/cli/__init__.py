"""The command line: arguments -> settings -> the run API."""
