"""USD on disk <-> plain numpy arrays. The only package that imports ``pxr``; import its submodules."""
