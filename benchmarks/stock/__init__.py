"""The pipeline that people write with stock TFX alone, for comparison."""
