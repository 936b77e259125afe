"""Two thin faces, command line and terminal UI, over :mod:`engine.run`; import its submodules."""
