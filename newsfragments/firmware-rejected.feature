A shipped scenario, `firmware-rejected`, offers firmware that must not be installed.
