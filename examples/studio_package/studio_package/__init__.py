"""What a studio adds to anymole: see pyproject.toml for how it is found."""
