"""What the pictures of a video say: the video at several heights, its colours, and its Gauss-Newton form."""
