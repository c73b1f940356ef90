systemd: a unit with readiness and watchdog, socket activation; a container image and `docker-compose.yaml`; `[main] user`, `group`, `limitnofile` and `[server] timeout` are obeyed.
