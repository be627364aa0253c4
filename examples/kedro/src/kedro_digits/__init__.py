"""Handwritten digits: from a folder of images to a registered classifier."""
