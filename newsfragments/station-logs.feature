The diagnostics and logs that emulated stations upload are a log of what happened to them, of the period that was asked for.
