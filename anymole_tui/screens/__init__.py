"""The places of the terminal UI, one module each; all are a :class:`anymole_tui.screens.place.Place`."""
