`python -m bench.faults` restarts PostgreSQL, and kills the webhook, while stations charge, and counts what is lost.
