`/metrics` counts the Calls that a webhook or a database did not answer, by reason, and shows the outbox and the pool.
