"""Characters, cameras and background as one scene for videos."""
