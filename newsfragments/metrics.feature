`/metrics` for Prometheus, with a Grafana dashboard and alert rules in `conf/`; `/readyz` is false while the backend cannot store.
