"""Types of arrays with their shapes, for signatures: jaxtyping's, wherever somebody reads them.

A type checker reads them, and tests, which have imported jaxtyping to check every call. In a run nobody does; importing
jaxtyping takes longer there than opening the stage, so the names then stand for the arrays alone.
"""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Bool, Float, Int, Shaped, UInt8, UInt16
else:

    class _Array:
        def __class_getitem__(cls, parts: tuple[Any, str]) -> Any:
            """The kind of array, without its shape."""
            return parts[0]

    Bool = Float = Int = Shaped = UInt8 = UInt16 = _Array

__all__ = ["Bool", "Float", "Int", "Shaped", "UInt8", "UInt16"]
