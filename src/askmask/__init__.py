"""askmask asks for the masks that teach a segmentation model the most."""

__version__ = "0.1.0"
