"""Character + Motion -> Motion. Imports neither ``pxr`` nor ``textual``; import its submodules."""
