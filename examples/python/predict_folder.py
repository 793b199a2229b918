"""Masks and confidence for a folder of images: python predict_folder.py PROJECT IMAGES OUT."""

import sys
from pathlib import Path

from askmask import Project, list_images, predict_files

if __name__ == "__main__":
    root, images, out = map(Path, sys.argv[1:])
    with Project.open(root) as project:
        found = predict_files(project.model(), list_images(images), out)
    for image in found.images:
        print(f"{image.image}: mean confidence {image.mean_confidence:.3f}")
    print(*found.problems, sep="\n")
