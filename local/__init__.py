"""The speech-emotion part of the recipes, one package per stage; stages meet in files only."""

# Modules that no result depends on (utils/closure.py). Those that read settings and the registries of corpora,
# encoders, strategies and factors are here because what they read is in a result's stamp: a new corpus, strategy or
# option leaves results valid.
NEUTRAL = (
    "local", "local.experiment", "local.experiment.listen", "local.experiment.loading", "local.experiment.schema",
    "local.experiment.tuning", "local.experiment.outside", "local.corpora.registry",
    "local.encoders.kinds", "local.encoders.registry", "local.features.progress", "local.finetune.strategies",
    "local.grid", "local.grid.factors", "local.grid.manifest", "local.grid.pairs", "local.grid.plan",
)  # fmt: skip
