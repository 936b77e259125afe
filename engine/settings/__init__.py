"""What a setting is: declared once, in the annotation of its field, for all who show, read, check or store it."""
