"""The schema of the config and the loader of YAML files."""
