`[log] messages`, `[server] log` and `[postgres] log` may be `stdout`, `stderr` or `journald`; the access log follows `[log] format`.
