"""Kedro's settings; see https://docs.kedro.org for what else can stand here."""

CONFIG_LOADER_ARGS = {"base_env": "base", "default_run_env": "local"}
