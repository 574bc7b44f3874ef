"""The user's own files: every format into columns or arrays, and these into tokens and their classes.

`files.py` chooses the reader; `text.py` and `columnar.py` read tables, `arrays.py` arrays, `pictures.py` images;
`columns.py` decides which columns are features, and `rows.py` has what all of them must give. `apart.py` does all of it
in a process of its own, with a limit on its memory.
"""
