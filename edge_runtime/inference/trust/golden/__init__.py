"""Golden samples: what a model must answer, recorded where it was made, checked before it serves.

`index` is the file format, `noise` makes dense random tensors, `playing` runs samples, `agreement`
compares, `export` records.
"""
