"""The pipelines, one in each package."""
