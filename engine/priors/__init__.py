"""Motion priors: known frames in, the motion between them out."""
