"""Files a stage refers to, through USD's own resolver: plain files, usdz packages, or a studio's URIs."""

import os

from pxr import Ar

from usd_io.errors import StageNotFoundError, shown


def read_texture_bytes(path: str) -> bytes:
    """The bytes of an image file.

    Args:
        path: A resolved path as in ``Material.texture``, such as ``fox.usdz[textures/fox.png]``.

    Raises:
        StageNotFoundError: It cannot be opened or holds nothing.
    """
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113  # a pipe would be waited for
        raise StageNotFoundError(f"The texture {shown(path)} is no file; fix its path in the stage.")
    asset = Ar.GetResolver().OpenAsset(Ar.ResolvedPath(path)) if path else None
    if asset is None:
        raise StageNotFoundError(f"The texture {shown(path)} cannot be opened; fix its path in the stage.")
    content = asset.GetBuffer()
    if not content:
        raise StageNotFoundError(f"The texture {shown(path)} is an empty file; replace it by the picture.")
    return bytes(content)
