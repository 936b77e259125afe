"""What is drawn to the terminal itself: changed cells, pictures, and the parts of Textual that are patched."""
