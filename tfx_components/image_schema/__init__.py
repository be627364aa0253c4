"""ImageSchema: completes an inferred schema with the features that image statistics leave out."""

from tfx_components.image_schema.component import ImageSchema

__all__ = ["ImageSchema"]
