Scenarios are YAML files; a mistake in one is told with its line, and firmware is really updated in one of them.
