"""What a UsdPreviewSurface says of the colour of a mesh's faces."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Int
from pxr import Usd, UsdGeom, UsdShade

from usd_io import convert
from usd_io.errors import shown
from usd_io.model import Material

Warn = Callable[[str], None]
_EARLIEST = Usd.TimeCode.EarliestTime()


def read_materials(
    mesh: UsdGeom.Mesh, face_count: int, warn: Warn
) -> tuple[tuple[Material, ...], Int[np.ndarray, " face"] | None]:
    """The materials of a mesh and, per face, which one it has (-1 for none); None where no face has one."""
    bound: list[tuple[Usd.Prim, Int[np.ndarray, " subset_face"]]] = [(mesh.GetPrim(), np.arange(face_count))]
    for subset in UsdShade.MaterialBindingAPI(mesh).GetMaterialBindSubsets():
        faces = convert.integers(subset.GetIndicesAttr().Get(_EARLIEST) or [])
        bound.append((subset.GetPrim(), faces[(faces >= 0) & (faces < face_count)]))
    face_material = np.full(face_count, -1)
    materials: dict[str, Material] = {}
    for prim, faces in bound:
        material, _ = UsdShade.MaterialBindingAPI(prim).ComputeBoundMaterial(UsdShade.Tokens.preview)
        if not material or not len(faces):
            continue
        path = str(material.GetPath())
        if path not in materials:
            materials[path] = _read_material(material, warn)
        face_material[faces] = list(materials).index(path)
    return tuple(materials.values()), face_material if (face_material >= 0).any() else None


def _read_material(material: UsdShade.Material, warn: Warn) -> Material:
    path = str(material.GetPath())
    shader = material.ComputeSurfaceSource()[0]
    if not shader or shader.GetIdAttr().Get() != "UsdPreviewSurface":
        warn(f"<{path}> has no UsdPreviewSurface; its colour is not read.")
        return Material(path, None, None)
    for attribute in _producers(shader, "diffuseColor"):
        source = UsdShade.Shader(attribute.GetPrim())
        if attribute.GetTypeName() == "color3f" and not UsdShade.Output.IsOutput(attribute):
            _still(attribute, warn)
            return Material(path, _colour(attribute), None)
        if source and source.GetIdAttr().Get() == "UsdUVTexture":
            return Material(path, None, _texture(source, path, warn))
        warn(f"<{path}>: its diffuse colour comes from <{attribute.GetPath()}>, which is not read.")
    return Material(path, None, None)


def _producers(shader: UsdShade.Shader, name: str) -> list[Usd.Attribute]:
    """Where a shader's input gets its value from, through node graphs and interface inputs."""
    shader_input = shader.GetInput(name)
    return list(shader_input.GetValueProducingAttributes()) if shader_input else []


def _still(attribute: Usd.Attribute, warn: Warn) -> None:
    """Say where a picture shows one time of what changes."""
    if attribute.ValueMightBeTimeVarying():
        warn(f"<{attribute.GetPath()}> is animated; pictures show its first sample at all times.")


def _colour(attribute: Usd.Attribute) -> tuple[float, float, float] | None:
    value = attribute.Get(_EARLIEST)
    return None if value is None else (float(value[0]), float(value[1]), float(value[2]))


def _texture(source: UsdShade.Shader, path: str, warn: Warn) -> str | None:
    for attribute in _producers(source, "file"):
        _still(attribute, warn)
        asset = attribute.Get(_EARLIEST)
        if asset is not None and asset.resolvedPath and "<UDIM>" not in asset.path:
            return str(asset.resolvedPath)
        if asset is not None and asset.path:
            why = "UDIM tiles are not read" if "<UDIM>" in asset.path else "it is not found"
            warn(f"<{path}>: the texture {shown(asset.path)} is left out, {why}.")
    return None
