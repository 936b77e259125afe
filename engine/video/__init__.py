"""Video models: adapted to the context, made to fill the frames between keys."""
