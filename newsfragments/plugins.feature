`twistd cs --help-backends` lists the installed backends, and a backend that cannot be loaded is reported with the reason.
