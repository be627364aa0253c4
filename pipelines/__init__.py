"""Whole pipelines over our components, and the command line."""
