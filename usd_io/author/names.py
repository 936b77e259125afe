"""The file names of a result ``STEM``: a root stage and a data layer, or one flat file that holds all."""

import re


def root_name(stem: str) -> str:
    """Of the root stage."""
    return f"{stem}.usda"


def flat_name(stem: str) -> str:
    """Of the only file of a flat result."""
    return f"{stem}.usdc"


def data_name(stem: str, number: int = 1) -> str:
    """Of the data layer: the first is the usual one, others are taken while an earlier result is still read."""
    return f"{stem}_anim.usdc" if number == 1 else f"{stem}_anim_{number}.usdc"


def is_result_name(name: str, stem: str) -> bool:
    """Whether a file name is one of those above, with any number."""
    if name in (root_name(stem), flat_name(stem), data_name(stem)):
        return True
    number = re.fullmatch(r".*_(\d+)\.usdc", name, re.DOTALL)
    return number is not None and name == data_name(stem, int(number[1]))
