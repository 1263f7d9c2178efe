"""Tools of the recipes that know nothing about emotion: data directories, archives, jobs, configuration."""

# Modules that no result depends on (utils/closure.py): how files are kept whole, errors told, programs run, and
# settings read, which reach a result through its stamp.
NEUTRAL = (
    "utils", "utils.atomic", "utils.closure", "utils.config", "utils.environment", "utils.errors",
    "utils.registry", "utils.run", "utils.stamp",
)  # fmt: skip
