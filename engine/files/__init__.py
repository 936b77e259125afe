"""Reading and writing files: whole or not at all, never trusted, never pickled."""
