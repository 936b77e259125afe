"""``python -m anymole_tui`` and the ``anymole`` command."""

from anymole_tui.cli.app import main

if __name__ == "__main__":
    main()
