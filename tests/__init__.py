"""The checker of argument types and array shapes while testing: an int will do for a float (PEP 484)."""

from beartype import BeartypeConf, beartype
from jaxtyping import TypeCheckError

checked = beartype(conf=BeartypeConf(is_pep484_tower=True, violation_type=TypeCheckError))
