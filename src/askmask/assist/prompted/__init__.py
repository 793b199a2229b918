"""Masks proposed from a box and clicks, by a pair of ONNX files of the SAM family.

An encoder makes an embedding of a picture, once; a decoder makes a mask of it for each prompt, in
a fraction of the time. `weights` is the only place that imports onnxruntime.
"""
