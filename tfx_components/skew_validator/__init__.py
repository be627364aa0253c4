"""SkewValidator: refuses a model that answers other than it was trained."""

from tfx_components.skew_validator.component import SkewValidator
from tfx_components.skew_validator.fresh_process import prepare_fresh_process

__all__ = ["SkewValidator", "prepare_fresh_process"]
