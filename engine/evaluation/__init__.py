"""How good a result is: filled motion against the truth, over shots and suites."""
