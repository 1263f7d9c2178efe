"""Tools of the recipes that know nothing about emotion: data directories, archives, jobs, configuration."""
