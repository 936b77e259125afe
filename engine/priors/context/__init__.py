"""The prior that goes on as the context does: windows of it, its mirror image, and cycles of it played on."""
