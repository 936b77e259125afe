"""One module per group of commands; each adds its own to the app of :mod:`anymole_tui.cli`."""
