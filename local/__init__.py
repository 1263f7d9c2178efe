"""The speech-emotion part of the recipes, one package per stage; stages meet in files only."""

# Modules that no result depends on (utils/closure.py). Those that read settings and the registries of corpora and
# encoders are here because what they read is in a result's stamp, so that a new corpus or option leaves results valid.
NEUTRAL = (
    "local", "local.experiment", "local.experiment.loading", "local.experiment.schema", "local.corpora.registry",
    "local.encoders.registry", "local.features.progress",
)  # fmt: skip
