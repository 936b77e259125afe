"""The command line: arguments -> settings -> the run API."""

from anymole_tui.own_packages import refuse_foreign_packages

refuse_foreign_packages()  # before anything of the engine is imported
